//! `weft hub serve`: a registry of one's own. Three parts, none of which knows the inside of another: `front` speaks HTTP
//! and knows no skills; `store` keeps bytes and events and knows no HTTP; the rest answers requests from what is kept.

pub mod admin;
pub mod app;
pub mod auth;
mod call;
mod contract;
mod device;
pub mod event;
pub mod export;
pub mod front;
mod gate;
pub mod health;
pub mod http;
pub mod life;
pub mod limit;
pub mod names;
pub mod publish;
pub mod refusal;
mod rendered;
pub mod replica;
pub mod routes;
mod seen;
mod site;
pub mod state;
pub mod store;
mod tickets;
mod v1;
pub mod web;

pub use app::{App, Settings, now};
