//! How tables grow: most captures need little of the memory that there is, and to take all of it would cost them more time than they need for
//! everything else.
//!
//! In: how large a table may be. Out: how large it begins, and becomes. Must not know what is in it.
//! Source: measured: a million frames took a tenth longer when all tables had their full size from the first packet on.

use crate::checkpoint::Unfit;

/// What a table has at first, and then, and then: shares of what it may have.
const SHARES: [usize; 3] = [16, 4, 1];

/// The sizes of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(usize);

impl Room {
    /// Of one that may have so many places; one is the least.
    pub(super) fn new(most: usize) -> Self {
        Self(most.max(1))
    }

    /// How many it may have.
    pub(super) fn most(self) -> usize {
        self.0
    }

    fn sizes(self) -> impl Iterator<Item = usize> {
        SHARES.into_iter().map(move |share| (self.0 / share).max(1))
    }

    /// Whether one that has `places` may grow.
    #[inline]
    pub(super) fn is_left(self, places: usize) -> bool {
        places < self.0
    }

    /// The next size of one that has `places`: the first, when it has none, and the last at most.
    pub(super) fn more(self, places: usize) -> usize {
        self.sizes().find(|size| *size > places).unwrap_or(self.0)
    }

    /// Empties a table and gives it so many places; hands out what was there. Its addresses are taken once and for all, the memory behind them when
    /// it is written to: what a table would leave behind by moving, others would use again only by chance.
    pub(super) fn grow<T: Clone>(self, table: &mut Vec<T>, empty: T, places: usize) -> Vec<T> {
        let old = table.clone();
        table.clear();
        if table.capacity() == 0 {
            table.reserve_exact(self.0);
        }
        table.resize(places, empty);
        old
    }

    /// Whether a table can have so many.
    ///
    /// # Errors
    /// It cannot: it was made with another memory.
    pub(super) fn check(self, places: usize) -> Result<(), Unfit> {
        let fits = places == 0 || self.sizes().any(|size| size == places);
        if fits { Ok(()) } else { Err(Unfit::Other("a table has another size")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_grows_step_by_step_to_what_it_may_have() {
        for (most, expected) in [(0, vec![1]), (3, vec![1, 3]), (204, vec![12, 51, 204])] {
            let room = Room::new(most);
            let next = |size: usize| room.is_left(size).then(|| room.more(size));
            let sizes: Vec<_> = std::iter::successors(next(0), |size| next(*size)).collect();
            assert!(sizes.iter().chain([&0]).all(|size| room.check(*size).is_ok()));
            assert_eq!((sizes, room.check(7)), (expected, Err(Unfit::Other("a table has another size"))));
        }
    }
}
