//! Runs filter programs as the kernel and libpcap do, over one frame.
//!
//! In: instructions and a frame. Out: whether the program keeps it. A machine of its own, since a
//! program of libpcap cannot be shared between threads, and its runner takes a frame that
//! was cut for one that was short: `greater 500` would then ask for the wrong length.
//! Must not know where programs come from. Whatever they say, they end, and read nothing but the frame.
//! Source: S. `McCanne` and V. Jacobson, "The BSD Packet Filter", 1993; libpcap's `bpf_filter.c`.
//! Read next: `filter.rs`, which gets programs from libpcap.

/// An instruction, as the paper has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) k: u32,
}

/// `protochain` is a loop, over headers that the frame's sender chose: no honest packet takes
/// so many steps, and a frame that does is not kept.
const STEPS: usize = 10_000;

/// What stands for the frame in the program.
struct Machine<'f> {
    frame: &'f [u8],
    wire_len: u32,
    a: u32,
    x: u32,
    memory: [u32; 16],
}

/// Whether `program` keeps a frame of `wire_len` bytes, of which `frame` was captured.
pub(super) fn keeps(program: &[Instruction], frame: &[u8], wire_len: u32) -> bool {
    let mut machine = Machine { frame, wire_len, a: 0, x: 0, memory: [0; 16] };
    let mut at = 0_usize;
    for _ in 0..STEPS {
        let Some(instruction) = program.get(at) else { return false };
        match machine.step(*instruction) {
            Some(Next::Jump(by)) => match at.checked_add_signed(1 + by as isize) {
                Some(next) => at = next,
                None => return false,
            },
            Some(Next::End(keep)) => return keep > 0,
            // A load from beyond the frame, a division by zero: not kept, as everywhere.
            None => return false,
        }
    }
    false
}

/// What comes behind an instruction.
enum Next {
    /// So many instructions are left out; backwards in loops.
    Jump(i32),
    /// So many bytes of the frame are wanted.
    End(u32),
}

impl Machine<'_> {
    fn step(&mut self, Instruction { code, if_true, if_false, k }: Instruction) -> Option<Next> {
        // Class, and for arithmetic and jumps: operand and operation.
        let operand = if code & 0x08 == 0 { k } else { self.x };
        match code & 0x07 {
            0 => self.a = self.load(code, k)?,
            1 => self.x = self.load_index(code, k)?,
            2 => *self.memory.get_mut(k as usize)? = self.a,
            3 => *self.memory.get_mut(k as usize)? = self.x,
            4 => self.a = arithmetic(code & 0xf0, self.a, operand)?,
            5 => {
                let yes = match code & 0xf0 {
                    0x00 => return Some(Next::Jump(k as i32)),
                    0x10 => self.a == operand,
                    0x20 => self.a > operand,
                    0x30 => self.a >= operand,
                    0x40 => self.a & operand != 0,
                    _ => return None,
                };
                return Some(Next::Jump(i32::from(if yes { if_true } else { if_false })));
            }
            6 => return Some(Next::End(if code & 0x18 == 0x10 { self.a } else { k })),
            _ if code & 0xf8 == 0x80 => self.a = self.x,
            _ => self.x = self.a,
        }
        Some(Next::Jump(0))
    }

    /// By mode: a number, a place in the frame, one behind X, memory, the length.
    fn load(&self, code: u16, k: u32) -> Option<u32> {
        let at = match code & 0xe0 {
            0x00 => return Some(k),
            0x20 => k,
            0x40 => self.x.wrapping_add(k),
            0x60 => return self.memory.get(k as usize).copied(),
            0x80 => return Some(self.wire_len),
            _ => return None,
        };
        let there = self.frame.get(at as usize..)?;
        match code & 0x18 {
            0x00 => there.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
            0x08 => there.first_chunk().map(|bytes| u16::from_be_bytes(*bytes).into()),
            0x10 => there.first().map(|byte| u32::from(*byte)),
            _ => None,
        }
    }

    /// The same for X, which can also be had from the length in an IPv4 header.
    fn load_index(&self, code: u16, k: u32) -> Option<u32> {
        match code & 0xe0 {
            0x00 => Some(k),
            0x60 => self.memory.get(k as usize).copied(),
            0x80 => Some(self.wire_len),
            0xa0 => self.frame.get(k as usize).map(|byte| u32::from(byte & 0x0f) * 4),
            _ => None,
        }
    }
}

fn arithmetic(operation: u16, a: u32, b: u32) -> Option<u32> {
    Some(match operation {
        0x00 => a.wrapping_add(b),
        0x10 => a.wrapping_sub(b),
        0x20 => a.wrapping_mul(b),
        0x30 => a.checked_div(b)?,
        0x40 => a | b,
        0x50 => a & b,
        0x60 => a.checked_shl(b).unwrap_or(0),
        0x70 => a.checked_shr(b).unwrap_or(0),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(b)?,
        0xa0 => a ^ b,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn instruction(code: u16, if_true: u8, if_false: u8, k: u32) -> Instruction {
        Instruction { code, if_true, if_false, k }
    }

    #[test]
    fn a_program_that_goes_round_in_a_circle_ends_and_keeps_nothing() {
        assert!(!keeps(&[instruction(0x05, 0, 0, u32::MAX)], &[0; 60], 60));
    }

    #[test]
    fn the_length_is_that_on_the_wire() {
        let longer = [instruction(0x80, 0, 0, 0), instruction(0x35, 0, 1, 500), instruction(0x06, 0, 0, 1)];
        assert!(keeps(&longer, &[0; 60], 1_500) && !keeps(&longer, &[0; 60], 60));
    }

    proptest! {
        #[test]
        fn any_program_ends_without_harm(
            program in prop::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), any::<u32>()), 0..40),
            frame in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let program: Vec<_> = program.into_iter().map(|(code, t, f, k)| instruction(code, t % 4, f % 4, k)).collect();
            keeps(&program, &frame, 1_500);
        }
    }
}
