//! Archives, listed and read in memory under hard limits. Nothing is ever written to disk.

pub mod tar;
