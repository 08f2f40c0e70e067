#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_fuzz::pair(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mcp_fuzz::mutate_pair(data, size, max_size, seed)
        .unwrap_or_else(|| libfuzzer_sys::fuzzer_mutate(data, size, max_size))
});
