//! Freezing a configured instance into a component of its own (wizer), so that each message starts from the configured state.

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
    let mut configured = Configured { store, instance, error: None };
    let frozen = wizer.snapshot_component(context, &mut configured).await;
    configured.error.map_or(frozen, Err)
}

/// The instance whose state wizer reads through the exports that it added.
struct Configured<'a> {
    store: &'a mut Store<Guest>,
    instance: Instance,
    /// The first thing that went wrong: wizer's trait has no place for it.
    error: Option<wasmtime::Error>,
}

impl Configured<'_> {
    /// Call one of wizer's exports.
    async fn call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> Result<R> {
        let missing = || wasmtime::Error::msg("an export of wizer's is missing");
        let outer = self.instance.get_export_index(&mut *self.store, None, instance).ok_or_else(missing)?;
        let inner = self.instance.get_export_index(&mut *self.store, Some(&outer), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, inner)?;
        let (value,) = function.call_async(&mut *self.store, ()).await?;
        Ok(value)
    }

    /// The same for a value that stands for itself; zero after an error, when nothing is made of it any more.
    async fn number<R: Lift + Send + Sync + Default + 'static>(&mut self, instance: &str, function: &str) -> R {
        let value = self.call(instance, function).await;
        value.unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            R::default()
        })
    }
}

impl ComponentInstanceState for Configured<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.call::<WasmList<u8>>(instance, func).await {
            Ok(list) => contents(list.as_le_slice(&*self.store)),
            Err(error) => {
                self.error.get_or_insert(error);
                contents(&[]);
            }
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.number(instance, func).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.number(instance, func).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.number::<f32>(instance, func).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.number::<f64>(instance, func).await.to_bits()
    }
}
