//! The names people use, as columns.
//!
//! How a function or a process is called is decided in one place, the model; here its
//! rows are passed through it.

use escope_model::{Frame, FrameKind, Mfa, PortId, PortInfo, ProcId, ProcessInfo};
use polars::prelude::{Column, DataFrame, Int64Chunked, PolarsResult, StringChunked};

/// Table `frames` with a column `name`.
pub(crate) fn named_frames(mut frames: DataFrame) -> PolarsResult<DataFrame> {
    let kind = text(&frames, "kind")?;
    let module = text(&frames, "module")?;
    let function = text(&frames, "function")?;
    let arity = number(&frames, "arity")?;
    let name = |row| {
        let frame = Frame {
            // A kind of a later version is code of some sort.
            kind: word(kind, row)
                .and_then(FrameKind::parse)
                .unwrap_or(FrameKind::Native),
            module: word(module, row).map(Into::into),
            arity: arity.get(row).and_then(|arity| arity.try_into().ok()),
            ..Frame::marker(word(function, row).unwrap_or_default())
        };
        frame.name()
    };
    let names: Vec<String> = (0..frames.height()).map(name).collect();
    frames.with_column(Column::new("name".into(), names))?;
    Ok(frames)
}

/// Table `processes` with the columns `process`, its name for people, and
/// `process_group`, the name that processes of one kind share.
pub(crate) fn named_processes(mut processes: DataFrame) -> PolarsResult<DataFrame> {
    let pid = text(&processes, "pid")?;
    let name = text(&processes, "name")?;
    let label = text(&processes, "label")?;
    let module = text(&processes, "initial_module")?;
    let function = text(&processes, "initial_function")?;
    let arity = number(&processes, "initial_arity")?;
    let info = |row| ProcessInfo {
        proc: ProcId(0),
        pid: word(pid, row).unwrap_or_default().to_owned(),
        name: word(name, row).map(str::to_owned),
        label: word(label, row).map(str::to_owned),
        initial_call: word(module, row)
            .zip(word(function, row))
            .zip(arity.get(row).and_then(|arity| arity.try_into().ok()))
            .map(|((module, function), arity)| Mfa {
                module: module.to_owned(),
                function: function.to_owned(),
                arity,
            }),
        parent: None,
    };
    let (names, groups): (Vec<String>, Vec<String>) = (0..processes.height())
        .map(info)
        .map(|process| (process.display_name(), process.group_name()))
        .unzip();
    processes.with_column(Column::new("process".into(), names))?;
    processes.with_column(Column::new("process_group".into(), groups))?;
    Ok(processes)
}

/// Table `ports` with a column `port_name`, its name for people.
pub(crate) fn named_ports(mut ports: DataFrame) -> PolarsResult<DataFrame> {
    let port = number(&ports, "port")?;
    let id = text(&ports, "id")?;
    let driver = text(&ports, "driver")?;
    let name = text(&ports, "name")?;
    let called = |row| {
        let number = port.get(row).and_then(|port| port.try_into().ok());
        let port = PortInfo {
            id: word(id, row).map(str::to_owned),
            driver: word(driver, row).map(str::to_owned),
            name: word(name, row).map(str::to_owned),
            ..PortInfo::unknown(PortId(number.unwrap_or_default()))
        };
        port.display_name()
    };
    let names: Vec<String> = (0..ports.height()).map(called).collect();
    ports.with_column(Column::new("port_name".into(), names))?;
    Ok(ports)
}

/// A column of text.
pub(crate) fn text<'f>(frame: &'f DataFrame, name: &str) -> PolarsResult<&'f StringChunked> {
    frame.column(name)?.str()
}

/// A column of whole numbers.
pub(crate) fn number<'f>(frame: &'f DataFrame, name: &str) -> PolarsResult<&'f Int64Chunked> {
    frame.column(name)?.i64()
}

/// The text of a row.
pub(crate) fn word(column: &StringChunked, row: usize) -> Option<&str> {
    column.get(row)
}
