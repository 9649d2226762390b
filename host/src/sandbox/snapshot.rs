//! Freezing a configured instance into a component of its own (wizer), so that each message starts from the configured state.

use wasmtime::{
    Store,
    component::{Instance, Lift, WasmList},
};
use wasmtime_wizer::ComponentInstanceState;

use super::guest::Guest;

/// The instance whose state wizer reads through the exports that it added.
pub(super) struct Configured<'a> {
    pub(super) store: &'a mut Store<Guest>,
    pub(super) instance: Instance,
}

impl Configured<'_> {
    /// Call one of wizer's own exports, which are there by construction: wizer has put them into the component.
    #[expect(clippy::expect_used, reason = "wizer's trait can't carry an error, and its own exports can't be missing")]
    async fn call<R: Lift + Send + Sync + 'static, V>(
        &mut self,
        instance: &str,
        function: &str,
        read: impl FnOnce(&mut Store<Guest>, R) -> V,
    ) -> V {
        let outer = self.instance.get_export_index(&mut *self.store, None, instance).expect("wizer's instance");
        let inner = self.instance.get_export_index(&mut *self.store, Some(&outer), function).expect("wizer's function");
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, inner).expect("wizer's type");
        let (value,) = function.call_async(&mut *self.store, ()).await.expect("wizer's function returns");
        read(self.store, value)
    }
}

impl ComponentInstanceState for Configured<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        self.call(instance, func, |store, list: WasmList<u8>| contents(list.as_le_slice(&*store))).await;
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func, |_, value| value).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func, |_, value| value).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call(instance, func, |_, value: f32| value.to_bits()).await
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call(instance, func, |_, value: f64| value.to_bits()).await
    }
}
