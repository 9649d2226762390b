//! The other side: the relay in a plugin, a stand-in in native tests. The only place that knows which.

#[cfg(target_arch = "wasm32")]
mod relay;
#[cfg(target_arch = "wasm32")]
pub use relay::Body;
#[cfg(target_arch = "wasm32")]
pub(crate) use relay::*;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;
#[cfg(not(target_arch = "wasm32"))]
mod zone;
#[cfg(not(target_arch = "wasm32"))]
pub use native::Body;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use zone::*;
