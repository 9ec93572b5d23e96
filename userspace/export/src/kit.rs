//! A small shop's web server, as samples: for tests, and for looking at pictures.

use std::collections::HashMap;

use escope_model::{
    Activity, Dictionary, Frame, FrameId, FrameKind, Mfa, ProcId, ProcessInfo, Sample, SchedulerId,
    SchedulerKind, StackId, ThreadInfo, ThreadKind,
};

/// Kind of process, activity, weight, and the stack from root to leaf. A frame is
/// `module:function/arity@line` with an optional `bif ` or `nif ` before it, or
/// `c symbol`, `k symbol`, `h symbol`, `? marker`; `~` stands for a space in a name.
type Row = (&'static str, Activity, u32, &'static str);

const REQUEST: &str = "proc_lib:init_p_do_apply/3@226 cowboy_stream_h:request_process/3@311 \
    cowboy_handler:execute/2@37 Elixir.Phoenix.Endpoint.Cowboy2Handler:init/4@54 \
    Elixir.ShopWeb.Endpoint:call/2@1 Elixir.Phoenix.Router:__call__/5@484 \
    Elixir.ShopWeb.CheckoutController:create/2@31";

const ROWS: &[Row] = &[
    (
        "web",
        Activity::Jit,
        70,
        "{R} Elixir.Shop.Cart:total/1@88 Elixir.Enum:reduce/3@2448 lists:foldl/3@1594 Elixir.Shop.Cart:-total/1-fun-0-/2@90 Elixir.Decimal:add/2@312",
    ),
    (
        "web",
        Activity::Jit,
        44,
        "{R} Elixir.Shop.Cart:total/1@88 Elixir.Enum:reduce/3@2448 lists:foldl/3@1594 Elixir.Shop.Cart:-total/1-fun-0-/2@91 Elixir.Decimal:mult/2@618",
    ),
    (
        "web",
        Activity::Gc,
        38,
        "{R} Elixir.Shop.Cart:total/1@88 Elixir.Enum:reduce/3@2448 lists:foldl/3@1594 h garbage_collect c erts_garbage_collect_nobump c minor_collection c sweep_new_heap",
    ),
    (
        "web",
        Activity::Gc,
        13,
        "{R} Elixir.Shop.Cart:total/1@88 Elixir.Enum:reduce/3@2448 h garbage_collect c erts_garbage_collect_nobump c major_collection c memmove",
    ),
    (
        "web",
        Activity::Kernel,
        9,
        "{R} Elixir.Shop.Cart:total/1@88 h garbage_collect c erts_garbage_collect_nobump c erts_alcu_alloc k asm_exc_page_fault k do_anonymous_page",
    ),
    (
        "web",
        Activity::Jit,
        52,
        "{R} Elixir.Phoenix.Controller:json/2@365 Elixir.Jason:encode_to_iodata!/2@199 Elixir.Jason.Encode:map/3@170 Elixir.Jason.Encode:escape_json/4@301",
    ),
    (
        "web",
        Activity::Bif,
        25,
        "{R} Elixir.Phoenix.Controller:json/2@365 bif erlang:iolist_to_binary/1 c iolist_to_buf c erts_iolist_to_buf c __memmove_avx_unaligned_erms",
    ),
    (
        "web",
        Activity::Nif,
        47,
        "{R} Elixir.Shop.Token:sign/1@12 Elixir.Plug.Crypto.KeyGenerator:generate/3@51 crypto:mac/4@612 nif crypto:mac_nif/4 c HMAC c sha256_block_data_order_avx2",
    ),
    (
        "web",
        Activity::Bif,
        18,
        "{R} Elixir.Ecto.Repo.Queryable:all/3@209 Elixir.DBConnection:run/3@1094 bif ets:lookup/2 c db_get_hash c db_copy_object_from_ets",
    ),
    (
        "web",
        Activity::Jit,
        21,
        "{R} Elixir.Ecto.Repo.Queryable:all/3@211 Elixir.Ecto.Query.Planner:query/5@142 maps:merge/2@0",
    ),
    (
        "web",
        Activity::Bif,
        12,
        "{R} Elixir.DBConnection.Holder:checkout/3@78 gen:do_call/4@240 bif erlang:send/3 c erts_send_message c enqueue_signals c ethr_native_atomic_cmpxchg",
    ),
    (
        "web",
        Activity::Port,
        8,
        "{R} gen_tcp:send/2@521 prim_inet:send/4@586 bif erlang:port_command/3 c tcp_inet_commandv c writev k entry_SYSCALL_64_after_hwframe k tcp_sendmsg_locked k __tcp_push_pending_frames",
    ),
    ("web", Activity::Jit, 4, "{R} ? stack~was~being~moved"),
    (
        "db",
        Activity::Jit,
        41,
        "proc_lib:init_p_do_apply/3@226 gen_statem:loop_state_callback/11@1395 Elixir.DBConnection.Connection:handle_event/4@140 Elixir.Postgrex.Protocol:recv_rows/5@2211 Elixir.Postgrex.Types:decode_rows/4@58",
    ),
    (
        "db",
        Activity::Bif,
        16,
        "proc_lib:init_p_do_apply/3@226 gen_statem:loop_state_callback/11@1395 Elixir.DBConnection.Connection:handle_event/4@140 Elixir.Postgrex.Protocol:recv_rows/5@2211 bif binary:part/3 c erts_extract_sub_binary",
    ),
    (
        "db",
        Activity::Kernel,
        14,
        "proc_lib:init_p_do_apply/3@226 gen_statem:loop_state_callback/11@1395 Elixir.Postgrex.Protocol:msg_recv/3@3040 gen_tcp:recv/3@560 bif prim_inet:async_recv/3 c tcp_recv c recv k entry_SYSCALL_64_after_hwframe k tcp_recvmsg_locked",
    ),
    (
        "kafka",
        Activity::Jit,
        33,
        "proc_lib:init_p_do_apply/3@226 gen_server:handle_msg/6@1100 brod_consumer:handle_info/2@418 kpro_rsp_lib:decode/3@102 kpro_batch:decode/1@77",
    ),
    (
        "kafka",
        Activity::Nif,
        24,
        "proc_lib:init_p_do_apply/3@226 gen_server:handle_msg/6@1100 brod_consumer:handle_info/2@418 kpro_compress:decompress/2@40 nif snappyer:decompress_nif/1 c snappy::RawUncompress(char~const*,~unsigned~long,~char*)",
    ),
    (
        "logger",
        Activity::Bif,
        17,
        "proc_lib:init_p_do_apply/3@226 gen_server:loop/7@1050 logger_h_common:handle_load/2@350 io_lib:format/3@99 io_lib_format:build/1@85 bif unicode:characters_to_list/2 c characters_to_list_bif",
    ),
    (
        "logger",
        Activity::Jit,
        11,
        "proc_lib:init_p_do_apply/3@226 gen_server:loop/7@1050 logger_h_common:handle_load/2@350 calendar:system_time_to_rfc3339/2@460",
    ),
    (
        "",
        Activity::Emulator,
        26,
        "c sched_thread_func c process_main c erts_schedule c check_balance",
    ),
    (
        "",
        Activity::Emulator,
        15,
        "c sched_thread_func c erts_schedule c erts_check_io c epoll_wait k entry_SYSCALL_64_after_hwframe k ep_poll",
    ),
    (
        "",
        Activity::BusyWait,
        60,
        "c sched_thread_func c erts_schedule c scheduler_wait c sched_spin_wait",
    ),
    (
        "thread",
        Activity::Native,
        9,
        "c poll_thread c erts_check_io c epoll_wait k entry_SYSCALL_64_after_hwframe",
    ),
];

/// The dictionary of the shop, and its samples in a mixed order.
pub(crate) fn shop() -> (Dictionary, Vec<Sample>) {
    let mut frames: HashMap<Frame, FrameId> = HashMap::new();
    let mut dictionary = Dictionary {
        processes: processes(),
        threads: (1..=5).map(thread).collect(),
        ..Dictionary::default()
    };
    let mut samples = Vec::new();
    for (at, (who, activity, count, path)) in ROWS.iter().enumerate() {
        let path = path.replace("{R}", REQUEST);
        let stack = tokens(&path)
            .iter()
            .rev()
            .map(|token| {
                let next = FrameId(frames.len() as u32);
                *frames.entry(frame(token)).or_insert_with_key(|frame| {
                    dictionary.frames.push(frame.clone());
                    next
                })
            })
            .collect();
        dictionary.stacks.push(stack);
        samples.extend((0..*count).map(|n| sample(at as u32, n, who, *activity)));
    }
    samples.sort_by_key(|sample| sample.ts_ns);
    (dictionary, samples)
}

/// Splits at spaces, except for the one after a kind.
fn tokens(path: &str) -> Vec<String> {
    let mut words = path.split_whitespace();
    let mut tokens = Vec::new();
    while let Some(word) = words.next() {
        let token = match word {
            "c" | "k" | "h" | "?" | "bif" | "nif" => {
                format!("{word} {}", words.next().unwrap_or_default())
            }
            _ => word.to_owned(),
        };
        tokens.push(token.replace('~', " "));
    }
    tokens
}

fn frame(token: &str) -> Frame {
    let (kind, name) = match token.split_once(' ') {
        Some(("c", name)) => (FrameKind::Native, name),
        Some(("k", name)) => (FrameKind::Kernel, name),
        Some(("h", name)) => (FrameKind::Helper, name),
        Some(("?", name)) => (FrameKind::Marker, name),
        Some(("bif", name)) => (FrameKind::Bif, name),
        Some(("nif", name)) => (FrameKind::Nif, name),
        _ => (FrameKind::Erlang, token),
    };
    let mut frame = Frame {
        kind,
        ..Frame::marker(name)
    };
    match kind {
        FrameKind::Erlang | FrameKind::Bif | FrameKind::Nif => mfa(&mut frame, name),
        FrameKind::Native => {
            let object = match name {
                n if n.starts_with("snappy") => "snappyer.so",
                n if n.starts_with("HMAC") || n.starts_with("sha") => "libcrypto.so.3",
                n if n.starts_with("__mem") || n.starts_with("mem") => "libc.so.6",
                _ => "beam.smp",
            };
            frame.object = Some(object.into());
            frame.address = 0x55_0000 + 64 * name.len() as u64;
        }
        _ => {}
    }
    frame
}

fn mfa(frame: &mut Frame, name: &str) {
    let (name, line) = name.split_once('@').unwrap_or((name, "0"));
    let (name, arity) = name.rsplit_once('/').unwrap_or((name, "0"));
    let (module, function) = name.split_once(':').unwrap_or((name, ""));
    frame.module = Some(module.into());
    frame.function = function.into();
    frame.arity = arity.parse().ok();
    frame.line = line.parse().ok().filter(|&line| line > 0);
    if frame.kind == FrameKind::Erlang {
        let file = match module.strip_prefix("Elixir.") {
            Some(alias) => format!("lib/{}.ex", alias.to_lowercase().replace('.', "/")),
            None => format!("{module}.erl"),
        };
        frame.file = Some(file.into());
        frame.address = 0x7f00_0000 + 256 * module.len() as u64;
    }
}

fn sample(stack: u32, n: u32, who: &str, activity: Activity) -> Sample {
    let mixed = (stack * 7919 + n * 104_729) % 30_000;
    let scheduler = (who != "thread").then(|| SchedulerId {
        kind: SchedulerKind::Normal,
        number: 1 + (mixed % 4) as u16,
    });
    Sample {
        ts_ns: i64::from(mixed) * 1_000_000,
        cpu: mixed % 4,
        tid: scheduler.map_or(5, |scheduler| u32::from(scheduler.number)),
        scheduler,
        proc: match who {
            "web" => Some(ProcId(3 + mixed % 20)),
            "db" => Some(ProcId(23 + mixed % 5)),
            "kafka" => Some(ProcId(1)),
            "logger" => Some(ProcId(2)),
            _ => None,
        },
        stack: StackId(stack),
        activity,
        weight_ns: 10_101_010,
        truncated: None,
    }
}

fn processes() -> Vec<ProcessInfo> {
    let call = |module: &str, function: &str, arity| {
        Some(Mfa {
            module: module.into(),
            function: function.into(),
            arity,
        })
    };
    (0..28)
        .map(|number| ProcessInfo {
            proc: ProcId(number),
            pid: format!("<0.{}.0>", 400 + number),
            name: match number {
                0 => Some("init".into()),
                1 => Some("Elixir.Shop.OrderConsumer".into()),
                2 => Some("logger_std_h_default".into()),
                _ => None,
            },
            label: None,
            initial_call: match number {
                0..3 => call("gen_server", "init_it", 6),
                3..23 => call("cowboy_stream_h", "request_process", 3),
                _ => call("Elixir.DBConnection.Connection", "init", 1),
            },
            parent: None,
        })
        .collect()
}

fn thread(tid: u32) -> ThreadInfo {
    let poll = tid == 5;
    ThreadInfo {
        tid,
        name: match poll {
            true => "erts_poll_1".into(),
            false => format!("erts_sched_{tid}"),
        },
        kind: match poll {
            true => ThreadKind::Poll,
            false => ThreadKind::Scheduler,
        },
        scheduler: (!poll).then_some(SchedulerId {
            kind: SchedulerKind::Normal,
            number: tid as u16,
        }),
    }
}
