//! The table in `benches/README.md`.
//!
//! Owns the text between its two markers; everything around them is written by hand.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::Bench;
use crate::process;

const START: &str = "<!-- results -->";
const END: &str = "<!-- end of results -->";

type Section = fn(&Bench) -> Option<String>;

/// The beginnings of the headings, in their order.
const SECTIONS: [(&str, Section); 12] = [
    ("Instructions", instructions),
    ("stdio", stdio),
    ("HTTP", http),
    ("Answers of", large),
    ("The drivers", drivers),
    ("A cheap call", behind),
    ("Memory", memory),
    ("Cold start", cold),
    ("Scanner", scanner),
    ("Writer", writer),
    ("Core and framework", core),
    ("Counted", counts),
];

/// The section of a heading, with its heading and the line before.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let start = text.find(&format!("\n### {heading}"))?;
    let length = text[start + 1..].find("\n### ").map(|at| at + 1);
    let section = &text[start..][..length.unwrap_or(text.len() - start)];
    Some(if length.is_none() {
        section.strip_suffix('\n').unwrap_or(section)
    } else {
        section
    })
}

pub(super) fn write(bench: &Bench) -> Result<(), String> {
    let path = bench.workspace.root.join("benches/README.md");
    let old = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (Some(start), Some(end)) = (old.find(START), old.find(END)) else {
        return Err(format!("{} has lost its markers", path.display()));
    };
    let kept = &old[start + START.len()..end];
    let mut text = machine(bench);
    for (heading, part) in SECTIONS {
        // What was never measured here stays as it is.
        let section = part(bench).or_else(|| section(kept, heading).map(str::to_owned));
        text.push_str(&section.unwrap_or_default());
    }
    let new = format!("{}\n{text}\n{}", &old[..start + START.len()], &old[end..]);
    fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

fn machine(bench: &Bench) -> String {
    let first = |command: &mut Command| {
        let text = process::capture(command).unwrap_or_default();
        text.lines().next().unwrap_or("?").trim().to_owned()
    };
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!(
        "\n{} x {}, {}, {}; Node {}, {}. Load average at the end: {load}.{}\n",
        cores,
        model.map_or("?", |(_, model)| model.trim()),
        first(Command::new("uname").args(["-sr"])),
        first(Command::new("rustc").arg("--version")),
        first(Command::new("node").arg("--version")),
        first(Command::new("python3").arg("--version")),
        if bench.quick {
            " A quick run: not to be quoted."
        } else {
            ""
        },
    )
}

fn number(value: &Value, digits: usize) -> String {
    let Some(value) = value.as_f64() else {
        return "-".into();
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0
            && (whole.len() - at) % 3 == 0
            && digit.is_ascii_digit()
            && !grouped.ends_with('-')
        {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match rest {
        Some(rest) => format!("{grouped}.{rest}"),
        None => grouped,
    }
}

fn rows(value: &Value) -> &[Value] {
    value["rows"].as_array().map_or(&[], Vec::as_slice)
}

/// Throughput rows with ratios to the two anchors.
fn load_table(value: &Value, what: &str) -> String {
    let anchors: Vec<&str> = value["anchors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut text = format!(
        "| server | {what}/s | CPU us | CPU / {} |",
        anchors.first().unwrap_or(&"-")
    );
    text.push_str(&format!(
        " CPU / {} | p50 us | p99 us | max us | MiB |\n",
        anchors.get(1).unwrap_or(&"-")
    ));
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for row in rows(value) {
        let memory = row["loaded_kib"]
            .as_f64()
            .map(|kib| Value::from(kib / 1024.0))
            .unwrap_or_default();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row["name"].as_str().unwrap_or("?"),
            number(&row["rate"], 0),
            number(&row["cpu_us"], 2),
            number(&row["cpu_us_ratio_0"], 2),
            number(&row["cpu_us_ratio_1"], 2),
            number(&row["p50_us"], 0),
            number(&row["p99_us"], 0),
            number(&row["max_us"], 0),
            number(&memory, 1),
        ));
    }
    text
}

fn instructions(bench: &Bench) -> Option<String> {
    let value = bench.result("instructions")?;
    let mut text = String::from(
        "\n### Instructions per stdio message\n\nUser space, callgrind, window 64, `echo`; the same on every run.\n\n| server | instructions |\n|---|---:|\n",
    );
    let mut entries: Vec<_> = value.as_object()?.iter().collect();
    entries.sort_by_key(|(_, count)| count.as_u64());
    for (name, count) in entries {
        text.push_str(&format!("| {name} | {} |\n", number(count, 0)));
    }
    Some(text)
}

fn stdio(bench: &Bench) -> Option<String> {
    let value = bench.result("stdio")?;
    let mut text = String::from("\n### stdio, `echo`\n");
    for window in ["64", "1"] {
        text.push_str(&format!(
            "\nWindow {window}:\n\n{}",
            load_table(&value[window], "messages")
        ));
    }
    Some(text)
}

fn http(bench: &Bench) -> Option<String> {
    let value = bench.result("http")?;
    let mut text =
        String::from("\n### HTTP, `tools/call` of `echo`, 2026-07-28 unless said otherwise\n");
    for connections in ["1", "16", "64", "256"] {
        let table = load_table(&value[connections], "requests");
        text.push_str(&format!("\n{connections} connections:\n\n{table}"));
    }
    Some(text)
}

fn large(bench: &Bench) -> Option<String> {
    let value = bench.result("large")?;
    Some(format!(
        "\n### Answers of 64 KiB\n\nstdio, window 16:\n\n{}\nHTTP, 16 connections:\n\n{}",
        load_table(&value["stdio"], "messages"),
        load_table(&value["http"], "requests")
    ))
}

fn drivers(bench: &Bench) -> Option<String> {
    let value = bench.result("drivers")?;
    let mut text = String::from("\n### The drivers\n\nThe same source on each.\n");
    for (what, unit) in [
        ("stdio, window 64", "messages"),
        ("stdio, window 1", "messages"),
        ("HTTP, 1 connections", "requests"),
        ("HTTP, 64 connections", "requests"),
    ] {
        text.push_str(&format!("\n{what}:\n\n{}", load_table(&value[what], unit)));
    }
    Some(text)
}

fn behind(bench: &Bench) -> Option<String> {
    let value = bench.result("behind")?;
    let mut text = String::from(
        "\n### A cheap call behind slow ones\n\nstdio, one `echo` at a time, microseconds.\n\n| behind | server | p50 | p99 | max |\n|---|---|---:|---:|---:|\n",
    );
    for case in [
        "nothing",
        "one call of 30 s",
        "100 pending calls",
        "4 CPU-bound blocking calls",
    ] {
        for row in rows(&value[case]) {
            text.push_str(&format!(
                "| {case} | {} | {} | {} | {} |\n",
                row["name"].as_str()?,
                number(&row["p50_us"], 0),
                number(&row["p99_us"], 0),
                number(&row["max_us"], 0)
            ));
        }
    }
    Some(text)
}

fn memory(bench: &Bench) -> Option<String> {
    let value = bench.result("memory")?;
    let mut text = String::from(
        "\n### Memory over HTTP\n\nGrowth of resident memory, bytes each.\n\n| what | server | bytes |\n|---|---|---:|\n",
    );
    for what in ["idle sessions", "active sessions"] {
        for row in rows(&value[what]) {
            text.push_str(&format!(
                "| {what} | {} | {} |\n",
                row["name"].as_str()?,
                number(&row["bytes"], 0)
            ));
        }
    }
    for row in rows(&value["listens"]) {
        let name = row["name"].as_str()?;
        text.push_str(&format!(
            "| quiet connection | {name} | {} |\n",
            number(&row["connection_bytes"], 0)
        ));
        text.push_str(&format!(
            "| connection with an open listen | {name} | {} |\n",
            number(&row["listen_bytes"], 0)
        ));
    }
    Some(text)
}

fn cold(bench: &Bench) -> Option<String> {
    let value = bench.result("start")?;
    let mut text = String::from(
        "\n### Cold start and size\n\nFrom `exec` to the first answer over stdio.\n\n| server | p50 ms | min ms | idle MiB |\n|---|---:|---:|---:|\n",
    );
    for row in rows(&value["times"]) {
        let memory = row["idle_kib"]
            .as_f64()
            .map(|kib| Value::from(kib / 1024.0))
            .unwrap_or_default();
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            row["name"].as_str()?,
            number(&row["p50_ms"], 2),
            number(&row["min_ms"], 2),
            number(&memory, 1)
        ));
    }
    text.push_str("\n| stripped binary | bytes |\n|---|---:|\n");
    for (name, size) in value["sizes"].as_object()? {
        text.push_str(&format!("| {name} | {} |\n", number(size, 0)));
    }
    Some(text)
}

/// Criterion's groups below a prefix: one row per group, one column per competitor, ours and ratios to ours.
fn compared(bench: &Bench, prefix: &str, title: &str) -> Option<String> {
    let value = bench.result("micro")?;
    let all = value.as_object()?;
    let mut groups = BTreeSet::new();
    let mut others = BTreeSet::new();
    for name in all.keys() {
        let Some((group, function)) = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.rsplit_once('/'))
        else {
            continue;
        };
        groups.insert(group);
        if function != "ours" {
            others.insert(function);
        }
    }
    let mut ordered: Vec<(f64, &str)> = groups
        .into_iter()
        .map(|group| {
            (
                all[&format!("{prefix}{group}/ours")]["bytes"]
                    .as_f64()
                    .unwrap_or(0.0),
                group,
            )
        })
        .collect();
    ordered.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut text = format!(
        "\n### {title}\n\nOurs in nanoseconds and GB/s; the others as multiples of our time.\n\n| message | bytes | ours ns | GB/s |"
    );
    for other in &others {
        text.push_str(&format!(" {other} |"));
    }
    text.push_str("\n|---|---:|---:|---:|");
    text.push_str(&"---:|".repeat(others.len()));
    text.push('\n');
    for (bytes, group) in ordered {
        let ns = all[&format!("{prefix}{group}/ours")]["ns"].as_f64()?;
        text.push_str(&format!(
            "| {group} | {} | {} | {:.2} |",
            number(&bytes.into(), 0),
            number(&ns.into(), 0),
            bytes / ns
        ));
        for other in &others {
            let theirs = all
                .get(&format!("{prefix}{group}/{other}"))
                .and_then(|one| one["ns"].as_f64());
            text.push_str(
                &theirs.map_or_else(|| " - |".into(), |theirs| format!(" {:.2} |", theirs / ns)),
            );
        }
        text.push('\n');
    }
    Some(text)
}

fn scanner(bench: &Bench) -> Option<String> {
    compared(bench, "scan/", "Scanner")
}

fn writer(bench: &Bench) -> Option<String> {
    compared(bench, "write/", "Writer")
}

fn core(bench: &Bench) -> Option<String> {
    let value = bench.result("micro")?;
    let mut text =
        String::from("\n### Core and framework without a driver\n\n| what | ns |\n|---|---:|\n");
    let mut rows: Vec<(&String, f64)> = value
        .as_object()?
        .iter()
        .filter(|(name, _)| !name.starts_with("scan/") && !name.starts_with("write/"))
        .filter_map(|(name, one)| Some((name, one["ns"].as_f64()?)))
        .collect();
    let key = |name: &str| {
        let (what, count) = name.rsplit_once('/').unwrap_or((name, ""));
        (what.to_owned(), count.parse::<u64>().unwrap_or(0))
    };
    rows.sort_by_key(|(name, _)| key(name));
    for (name, ns) in rows {
        text.push_str(&format!("| {name} | {} |\n", number(&ns.into(), 0)));
    }
    Some(text)
}

fn counts(bench: &Bench) -> Option<String> {
    let value = bench.result("counts")?;
    let mut text = String::from(
        "\n### Counted\n\nThe same on every run.\n\n| what | allocations | bytes |\n|---|---:|---:|\n",
    );
    for row in value.as_array()? {
        text.push_str(&format!(
            "| {} | {} | {} |\n",
            row["name"].as_str()?,
            number(&row["allocations"], 2),
            number(&row["bytes"], 0)
        ));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = "\nmachine\n\n### stdio, `echo`\n\n1\n\n### HTTP\n\n2\n\n";
        assert_eq!(section(text, "stdio"), Some("\n### stdio, `echo`\n\n1\n"));
        assert_eq!(section(text, "HTTP"), Some("\n### HTTP\n\n2\n"));
        assert_eq!(section(text, "Writer"), None);
    }
}
