//! The numbers of the presets `snort-low`, `snort-medium` and `snort-high`.
//!
//! In: nothing. Out: [`Level`]s. Each line has four thresholds: how many attempts, rejects, changes of address
//! and changes of port; attempts 0 means that silence alone never decides. They are constants and stand in no
//! rules file: whoever wants others wants another detector.
//! Source: `default_low_port_scan`, `default_med_port_scan` and `default_hi_port_scan` of `snort_defaults.lua`,
//! Snort 3.
//! Read next: `tracker.rs`, which counts up to them.

/// Thresholds of one kind of scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Attempts without a handshake.
    pub(super) scans: u32,
    /// Rejects: resets, ICMP errors.
    pub(super) rejects: u32,
    /// Changes of address.
    pub(super) nets: u32,
    /// Changes of port.
    pub(super) ports: u32,
}

/// The four kinds of scan of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds {
    /// One host scans the ports of one.
    pub(super) scan: Limits,
    /// The same among decoys.
    pub(super) decoy: Limits,
    /// One host scans many.
    pub(super) sweep: Limits,
    /// Many hosts scan one.
    pub(super) distributed: Limits,
}

/// How easily it is alarmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// The preset.
    pub(super) preset: &'static str,
    /// Seconds of a window.
    pub(super) window: i64,
    pub(super) tcp: Kinds,
    pub(super) udp: Kinds,
    pub(super) ip: Kinds,
    pub(super) icmp_sweep: Limits,
}

const fn limits(scans: u32, rejects: u32, nets: u32, ports: u32) -> Limits {
    Limits { scans, rejects, nets, ports }
}

pub(super) static LOW: Level = Level {
    preset: "snort-low",
    window: 60,
    tcp: Kinds {
        scan: limits(0, 5, 25, 5),
        decoy: limits(0, 15, 50, 30),
        sweep: limits(0, 5, 5, 15),
        distributed: limits(0, 15, 50, 15),
    },
    udp: Kinds {
        scan: limits(0, 5, 25, 5),
        decoy: limits(0, 15, 50, 30),
        sweep: limits(0, 5, 5, 15),
        distributed: limits(0, 15, 50, 15),
    },
    ip: Kinds {
        scan: limits(0, 10, 10, 50),
        decoy: limits(0, 40, 50, 25),
        sweep: limits(0, 10, 10, 10),
        distributed: limits(0, 15, 25, 50),
    },
    icmp_sweep: limits(0, 5, 5, 5),
};

pub(super) static MEDIUM: Level = Level {
    preset: "snort-medium",
    window: 90,
    tcp: Kinds {
        scan: limits(200, 10, 60, 15),
        decoy: limits(200, 30, 120, 60),
        sweep: limits(30, 7, 7, 10),
        distributed: limits(200, 30, 120, 30),
    },
    udp: Kinds {
        scan: limits(200, 10, 60, 15),
        decoy: limits(200, 30, 120, 60),
        sweep: limits(30, 5, 5, 20),
        distributed: limits(200, 30, 120, 30),
    },
    ip: Kinds {
        scan: limits(200, 10, 10, 50),
        decoy: limits(200, 40, 50, 25),
        sweep: limits(30, 10, 10, 10),
        distributed: limits(200, 15, 25, 50),
    },
    icmp_sweep: limits(20, 5, 5, 5),
};

pub(super) static HIGH: Level = Level {
    preset: "snort-high",
    window: 600,
    tcp: Kinds {
        scan: limits(200, 5, 100, 10),
        decoy: limits(200, 7, 200, 60),
        sweep: limits(30, 3, 3, 10),
        distributed: limits(200, 5, 200, 10),
    },
    udp: Kinds {
        scan: limits(200, 3, 100, 10),
        decoy: limits(200, 7, 200, 60),
        sweep: limits(30, 3, 3, 10),
        distributed: limits(200, 3, 200, 10),
    },
    ip: Kinds {
        scan: limits(200, 3, 3, 10),
        decoy: limits(200, 7, 15, 5),
        sweep: limits(30, 3, 3, 7),
        distributed: limits(200, 3, 11, 10),
    },
    icmp_sweep: limits(10, 3, 3, 5),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_with_the_level_and_only_at_the_low_one_silence_never_decides() {
        assert!(LOW.window < MEDIUM.window && MEDIUM.window < HIGH.window);
        for level in [&LOW, &MEDIUM, &HIGH] {
            let Level { tcp, udp, ip, .. } = level;
            let all =
                [tcp, udp, ip].into_iter().flat_map(|kinds| [kinds.scan, kinds.decoy, kinds.sweep, kinds.distributed]);
            for limits in all.chain([level.icmp_sweep]) {
                assert_eq!(limits.scans == 0, level.preset == "snort-low", "{} {limits:?}", level.preset);
                assert!(limits.rejects > 0 && limits.nets > 0 && limits.ports > 0);
            }
        }
    }
}
