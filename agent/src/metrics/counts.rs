//! Numbers by label.

use std::marker::PhantomData;

use super::labels::Label;

/// A number for each value of a label.
#[derive(Debug, Clone)]
pub(super) struct Counts<A> {
    numbers: Vec<u64>,
    label: PhantomData<A>,
}

impl<A: Label> Counts<A> {
    pub(super) fn zero() -> Self {
        Self {
            numbers: vec![0; A::all().len()],
            label: PhantomData,
        }
    }

    pub(super) fn add(&mut self, value: A) {
        if let Some(number) = self.numbers.get_mut(value.index()) {
            *number += 1;
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (A, u64)> {
        A::all().into_iter().zip(self.numbers.iter().copied())
    }
}

/// A number for each pair of values of two labels.
#[derive(Debug, Clone)]
pub(super) struct Pairs<A, B> {
    rows: Vec<Counts<B>>,
    label: PhantomData<A>,
}

impl<A: Label, B: Label> Pairs<A, B> {
    pub(super) fn zero() -> Self {
        Self {
            rows: vec![Counts::zero(); A::all().len()],
            label: PhantomData,
        }
    }

    pub(super) fn add(&mut self, first: A, second: B) {
        if let Some(row) = self.rows.get_mut(first.index()) {
            row.add(second);
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (A, B, u64)> {
        let rows = A::all().into_iter().zip(&self.rows);
        rows.flat_map(|(first, row)| row.each().map(move |(second, n)| (first, second, n)))
    }
}
