//! Freezing a configured instance into a component of its own (wizer), so that each message starts from the configured state.

use std::future;

use tokio::sync::oneshot;
use wasmtime::{
    Result, Store,
    component::{Instance, Lift, WasmList},
};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use super::guest::Guest;

/// The component that begins where this instance stands. `context` is what wizer kept when it instrumented the component.
///
/// Not every component can be frozen: a memory that must not grow leaves wizer no room to work in, for one.
pub(super) async fn freeze(
    wizer: &Wizer,
    context: &ComponentContext<'_>,
    store: &mut Store<Guest>,
    instance: Instance,
) -> Result<Vec<u8>> {
    // All of the memory crosses to the host, in one call.
    store.set_hostcall_fuel(usize::MAX);
    let (failed, failure) = oneshot::channel();
    let mut configured = Configured { store, instance, failed: Some(failed) };
    tokio::select! {
        Ok(error) = failure => Err(error),
        frozen = wizer.snapshot_component(context, &mut configured) => frozen,
    }
}

/// The instance whose state wizer reads through the exports that it added.
struct Configured<'a> {
    store: &'a mut Store<Guest>,
    instance: Instance,
    /// Takes what went wrong, which ends it: wizer's trait has no place for an error.
    failed: Option<oneshot::Sender<wasmtime::Error>>,
}

impl Configured<'_> {
    /// Call one of wizer's exports. This does not return after an error: wizer would panic at a wrong value.
    async fn call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> R {
        match self.try_call(instance, function).await {
            Ok(value) => value,
            Err(error) => {
                if let Some(failed) = self.failed.take() {
                    drop(failed.send(error));
                }
                future::pending().await
            }
        }
    }

    async fn try_call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> Result<R> {
        let missing = || wasmtime::Error::msg("an export of wizer's is missing");
        let outer = self.instance.get_export_index(&mut *self.store, None, instance).ok_or_else(missing)?;
        let inner = self.instance.get_export_index(&mut *self.store, Some(&outer), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, inner)?;
        let (value,) = function.call_async(&mut *self.store, ()).await?;
        Ok(value)
    }
}

impl ComponentInstanceState for Configured<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        let list = self.call::<WasmList<u8>>(instance, func).await;
        contents(list.as_le_slice(&*self.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call::<f32>(instance, func).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call::<f64>(instance, func).await.to_bits()
    }
}
