//! Handles do not outlive what they name, and peers' ids are compared by meaning.

use mcp_proto::id::{RequestId, Slab, WireId};

fn id(token: &str) -> WireId {
    WireId::from_token(token).unwrap()
}

#[test]
fn ids_are_equal_when_they_mean_the_same() {
    let long = format!("\"{}\"", "x".repeat(300));
    let long_escaped = format!("\"\\u0078{}\"", "x".repeat(299));
    for (a, b) in [
        ("1", "1"),
        ("\"a\"", "\"\\u0061\""),
        ("\"/\"", "\"\\/\""),
        ("\"\\ud83e\\udd80\"", "\"🦀\""),
        ("0", "-0"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("-2.50e1", "-25"),
        (&long, &long_escaped),
    ] {
        assert_eq!(id(a), id(b));
    }
    for (a, b) in [
        ("1", "\"1\""),
        ("1", "2"),
        ("\"a\"", "\"A\""),
        ("\"\"", "0"),
        ("\"a\"", "\"a \""),
        ("1", "-1"),
        ("9007199254740993", "9007199254740992"),
        ("\"\\\\u0061\"", "\"a\""),
        (&long, "\"x\""),
    ] {
        assert_ne!(id(a), id(b));
    }
}

#[test]
fn ids_are_echoed_verbatim_save_integral_floats() {
    for token in [
        "1",
        "-0",
        "18446744073709551616",
        "\"\"",
        "\"\\u0061\"",
        "\"quite a bit longer than what fits in place\"",
    ] {
        assert_eq!(id(token).as_str(), token);
        assert_eq!(id(token).clone().to_string(), token);
    }
    for (float, integer) in [
        ("1.0", "1"),
        ("-2e3", "-2000"),
        ("9007199254740991.0", "9007199254740991"),
    ] {
        assert_eq!(id(float).as_str(), integer);
    }
    assert_eq!(WireId::from(7u64).as_str(), "7");
    assert_eq!(
        (id("7").as_u64(), id("\"7\"").as_u64(), id("-7").as_u64()),
        (Some(7), None, None)
    );
    assert!(size_of::<WireId>() <= 40);
}

#[test]
fn what_is_no_id_is_none() {
    for token in [
        "",
        "null",
        "true",
        "[]",
        "{}",
        "1.5",
        "01",
        "1 ",
        " 1",
        "\"a",
        "\"a\" ",
        "a",
        "-",
        "\"\n\"",
        "1,\"x\":2",
        "1e400",
        "9007199254740992.0",
        "-1e16",
        "\"a\",\"b\"",
    ] {
        assert!(WireId::from_token(token).is_none(), "{token}");
    }
}

#[test]
fn a_stale_key_finds_nothing() {
    let mut slab = Slab::new(2);
    let (slot, first) = slab.insert("a").unwrap();
    slab.insert("b").unwrap();
    assert!(slab.is_full());
    assert_eq!(slab.insert("c"), Err("c"));
    assert_eq!(slab.remove(slot, first), Some("a"));
    assert_eq!(slab.remove(slot, first), None);
    let (again, second) = slab.insert("d").unwrap();
    assert_eq!(again, slot);
    assert_eq!(slab.get(slot, first), None);
    assert_eq!(slab.get_mut(slot, first), None);
    assert_eq!(slab.get(slot, second), Some(&"d"));
    assert_eq!(
        slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        ["d", "b"]
    );
    assert_eq!(slab.len(), 2);
    assert_eq!(slab.get(99, 1), None);
    assert_eq!(slab.remove(99, 1), None);
}

#[test]
fn request_ids_survive_the_wire_and_foreign_numbers_do_not() {
    for wire in [65_536, 65_537, (1 << 48) - 1] {
        assert_eq!(RequestId::from_wire(wire).unwrap().wire(), wire);
    }
    for wire in [0, 1, 65_535, 1 << 48, 1 << 53, u64::MAX] {
        assert_eq!(RequestId::from_wire(wire), None, "{wire}");
    }
}
