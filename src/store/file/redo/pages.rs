//! Memory in whole pages that begins at one, as a write past the system's cache needs it (open(2), `O_DIRECT`).

/// An entry begins on one: writing one never touches another, also where the power goes (<https://www.sqlite.org/psow.html>
/// says what disks promise).
pub(super) const PAGE: usize = 4096;

pub(super) struct Pages {
    bytes: Vec<u8>,
    /// Where the first one begins.
    from: usize,
}

impl Default for Pages {
    fn default() -> Self {
        let mut pages = Self { bytes: Vec::new(), from: 0 };
        pages.grow(PAGE);
        pages
    }
}

impl Pages {
    fn grow(&mut self, length: usize) {
        self.bytes = vec![0; length + PAGE];
        // Beyond a page it says that it cannot tell.
        self.from = self.bytes.as_ptr().align_offset(PAGE).min(PAGE);
    }

    /// One page.
    pub(super) fn first(&self) -> &[u8] {
        &self.bytes[self.from..][..PAGE]
    }

    /// The pages that these parts fill, with zeros behind them.
    pub(super) fn filled<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]> + Clone) -> &[u8] {
        let length = parts.clone().map(<[u8]>::len).sum::<usize>().next_multiple_of(PAGE);
        if self.bytes.len() < length + PAGE {
            self.grow(length);
        }
        let pages = &mut self.bytes[self.from..][..length];
        let mut rest = &mut *pages;
        for part in parts {
            let (here, behind) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = behind;
        }
        rest.fill(0);
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_whole_pages_that_begin_at_one() {
        let mut pages = Pages::default();
        let long = [7; 3 * PAGE];
        for (parts, expected) in
            [(vec![&[1][..], &[2, 3]], PAGE), (vec![&long[..], &[1]], 4 * PAGE), (vec![&[9][..]], PAGE)]
        {
            let filled = pages.filled(parts.iter().copied());
            assert_eq!((filled.len(), filled.as_ptr().align_offset(PAGE)), (expected, 0));
            let text = parts.concat();
            assert_eq!(&filled[..text.len()], text);
            assert!(filled[text.len()..].iter().all(|byte| *byte == 0), "what was there before shows");
        }
    }
}
