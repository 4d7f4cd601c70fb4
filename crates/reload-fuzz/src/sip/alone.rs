//! A runtime of one thread and virtual time, for one input, in which no task may panic: one that does ends
//! without a word otherwise.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

static HOOK: Once = Once::new();

/// Runs it to its end, and all that it has begun.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
    let before = PANICS.get();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime needs files only");
    let result = runtime.block_on(future);
    drop(runtime);
    assert_eq!(PANICS.get(), before, "a task has panicked");
    result
}
