//! What a summary has counted so far, for a run that another may have to go on with.
//!
//! In: a summary of a run that is under way. Out: the same. Only what is counted event by event: frames and tables are the
//! engine's ([`Totals`](crate::engine::Totals)), and added at the end.
//! Read next: `engine/checkpoint.rs`.

use std::{collections::HashMap, io, net::IpAddr};

use tripline_plugin::event::{Kind, Scan, Severity};

use super::{REMEMBERED, Scans, Summary, WORST, Worst};
use crate::checkpoint::{Kept, Reader, Unfit, Writer};

/// Rules, kinds of anomalies and techniques that a state may name.
const NAMES: usize = 1 << 16;

impl Kept for Summary {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { scans, anomalies, silenced, held, unread, .. } = self;
        scans.keep(to)?;
        [anomalies, silenced, held].into_iter().try_for_each(|counts| to.put(counts))?;
        to.put(unread)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.scans.resume(from)?;
        self.anomalies = from.list(NAMES)?;
        self.silenced = from.list(NAMES)?;
        self.held = from.list(NAMES)?;
        self.unread = from.take()?;
        Ok(())
    }
}

impl Kept for Scans {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { by_severity, by_kind, by_technique, worst, counted } = self;
        to.put(by_severity)?;
        to.put(by_kind)?;
        to.put(by_technique)?;
        to.list(counted.iter())?;
        to.put(&worst.len())?;
        worst.iter().try_for_each(|worst| worst.keep(to))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.by_severity = from.list(NAMES)?;
        self.by_kind = from.list(NAMES)?;
        self.by_technique = from.list(NAMES)?;
        self.counted = from.list::<HashMap<String, (Severity, Kind)>>(REMEMBERED)?;
        for _ in 0..from.length(WORST)? {
            self.worst.push(Worst::taken_up(from)?);
        }
        Ok(())
    }
}

impl Worst {
    /// A scan leaves out what it has not, which the format of states cannot tell: it goes as JSON, in which stamps are
    /// microseconds, so that those that matter stand beside it.
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { source, target, scan } = self;
        to.put(&(source, target, scan.start, scan.end))?;
        to.put(&serde_json::to_string(scan)?)
    }

    fn taken_up(from: &mut Reader<'_>) -> Result<Self, Unfit> {
        let (source, target, start, end): (Option<IpAddr>, Option<IpAddr>, i64, i64) = from.take()?;
        let scan: Scan = serde_json::from_str(from.take()?).map_err(|_| Unfit::Damaged)?;
        Ok(Self { source, target, scan: Scan { start, end, ..scan } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rules::Route, rules::samples};

    #[test]
    fn a_summary_goes_on_as_if_it_had_never_been_written_down() {
        let mut summary = Summary::default();
        for n in 0..30_u64 {
            let mut scan = samples::scan();
            (scan.id, scan.start, scan.doors) = (n.to_string(), 1_000 + n as i64, n % 7);
            summary.count(&samples::event(scan), &Route::default());
        }
        summary.count(&samples::event(samples::scan()), &Route { silenced: true, ..Route::default() });
        summary.unread = 3;
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        summary.keep(&mut writer).unwrap();
        writer.finish().unwrap();
        let mut again = Summary::default();
        let mut reader = Reader::new(&bytes);
        again.resume(&mut reader).unwrap();
        assert!(reader.is_at_end());
        assert_eq!(format!("{again:?}").len(), format!("{summary:?}").len());
        assert_eq!(format!("{:?}", again.scans.worst), format!("{:?}", summary.scans.worst));
        assert_eq!((again.unread, again.scans.total(), again.silenced), (3, 30, summary.silenced));
    }
}
