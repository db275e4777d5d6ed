//! The registry's pages, made on the server: no script runs in them, and nothing in them comes from elsewhere. They read
//! the state and change nothing; what they are asked for and by which address is `routes`'.

pub mod html;
pub mod lists;
pub mod markdown;
pub mod others;
pub mod page;
pub mod skill;
