//! Queries that are asked often, by name.

use crate::error::QueryError;

/// A query with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Its name; a query is asked for as `@name`.
    pub name: &'static str,
    /// What it answers, one sentence.
    pub description: &'static str,
    /// The query, to run or to start from.
    pub sql: &'static str,
}

/// Which rows of messages were or became messages, as reports count them. Of a reply to an alias, a
/// DOWN or an EXIT that was never received nobody knows.
macro_rules! became_message {
    () => {
        "NOT (fate = 'unknown' AND kind IN ('reply', 'down', 'exit'))"
    };
}

const NAMED: &[Named] = &[
    Named {
        name: "top_processes",
        description: "the 20 Erlang processes that used the most CPU time",
        sql: "WITH t AS (SELECT proc, process, pid, SUM(weight_ns) AS ns \
              FROM cpu WHERE work GROUP BY proc, process, pid) \
              SELECT COALESCE(process, '[no process]') AS process, pid, ns / 1e9 AS cpu_s, \
              100.0 * ns / SUM(ns) OVER () AS percent \
              FROM t ORDER BY cpu_s DESC, process LIMIT 20",
    },
    Named {
        name: "top_groups",
        description: "the 20 kinds of process that used the most CPU time: short-lived \
                      processes of one kind make one row",
        sql: "SELECT process_group, COUNT(DISTINCT proc) AS processes, \
              SUM(weight_ns) / 1e9 AS cpu_s \
              FROM cpu WHERE work AND proc IS NOT NULL GROUP BY process_group \
              ORDER BY cpu_s DESC, process_group LIMIT 20",
    },
    Named {
        name: "top_functions",
        description: "the 20 functions in which the CPU was, C and kernel included",
        sql: "WITH t AS (SELECT leaf, leaf_kind, SUM(weight_ns) AS ns \
              FROM cpu WHERE work GROUP BY leaf, leaf_kind) \
              SELECT COALESCE(leaf, '[no stack]') AS leaf, leaf_kind, ns / 1e9 AS cpu_s, \
              100.0 * ns / SUM(ns) OVER () AS percent \
              FROM t ORDER BY cpu_s DESC, leaf LIMIT 20",
    },
    Named {
        name: "top_erlang",
        description: "the 20 Erlang functions that used the most CPU time, with the C code \
                      and the kernel work below them",
        sql: "WITH t AS (SELECT erlang_function, SUM(weight_ns) AS ns \
              FROM cpu WHERE work GROUP BY erlang_function) \
              SELECT COALESCE(erlang_function, '[no Erlang function]') AS erlang_function, \
              ns / 1e9 AS cpu_s, 100.0 * ns / SUM(ns) OVER () AS percent \
              FROM t ORDER BY cpu_s DESC, erlang_function LIMIT 20",
    },
    Named {
        name: "top_inclusive",
        description: "the 20 Erlang functions with the most CPU time on the stack, in \
                      themselves and in what they called",
        sql: "WITH s AS (SELECT stack, SUM(weight_ns) AS ns FROM cpu WHERE work GROUP BY stack), \
              f AS (SELECT DISTINCT stack, name AS function FROM stack_frames \
              WHERE kind IN ('erlang', 'bif', 'nif')) \
              SELECT function, SUM(ns) / 1e9 AS cpu_s FROM s JOIN f ON s.stack = f.stack \
              GROUP BY function ORDER BY cpu_s DESC, function LIMIT 20",
    },
    Named {
        name: "top_modules",
        description: "the 20 Erlang modules whose functions used the most CPU time",
        sql: "SELECT erlang_module, SUM(weight_ns) / 1e9 AS cpu_s \
              FROM cpu WHERE work AND erlang_module IS NOT NULL GROUP BY erlang_module \
              ORDER BY cpu_s DESC, erlang_module LIMIT 20",
    },
    Named {
        name: "by_activity",
        description: "CPU time by what threads were doing, busy waiting and idling included",
        sql: "SELECT activity, COUNT(*) AS samples, SUM(weight_ns) / 1e9 AS cpu_s \
              FROM samples GROUP BY activity ORDER BY cpu_s DESC, activity",
    },
    Named {
        name: "by_scheduler",
        description: "CPU time of each scheduler: work, garbage collection, busy waiting",
        sql: "SELECT scheduler, \
              SUM(CASE WHEN work THEN weight_ns ELSE 0 END) / 1e9 AS work_s, \
              SUM(CASE WHEN activity = 'gc' THEN weight_ns ELSE 0 END) / 1e9 AS gc_s, \
              SUM(CASE WHEN activity = 'busy_wait' THEN weight_ns ELSE 0 END) / 1e9 \
              AS busy_wait_s \
              FROM cpu WHERE scheduler IS NOT NULL GROUP BY scheduler \
              ORDER BY work_s DESC, scheduler",
    },
    Named {
        name: "by_thread",
        description: "CPU time of each thread of the VM, busy waiting included",
        sql: "SELECT t.name, t.kind, s.tid, SUM(s.weight_ns) / 1e9 AS cpu_s \
              FROM samples AS s LEFT JOIN threads AS t ON s.tid = t.tid \
              GROUP BY t.name, t.kind, s.tid ORDER BY cpu_s DESC, s.tid",
    },
    Named {
        name: "timeline",
        description: "CPU time second by second: work, garbage collection, kernel, busy waiting",
        sql: "SELECT DIV(ts_ns, 1000000000) AS second, \
              SUM(CASE WHEN work THEN weight_ns ELSE 0 END) / 1e9 AS work_s, \
              SUM(CASE WHEN activity = 'gc' THEN weight_ns ELSE 0 END) / 1e9 AS gc_s, \
              SUM(CASE WHEN activity = 'kernel' THEN weight_ns ELSE 0 END) / 1e9 AS kernel_s, \
              SUM(CASE WHEN activity = 'busy_wait' THEN weight_ns ELSE 0 END) / 1e9 \
              AS busy_wait_s \
              FROM cpu GROUP BY second ORDER BY second",
    },
    Named {
        name: "top_gc",
        description: "the 20 processes that spent the most CPU time collecting garbage",
        sql: "SELECT process, pid, SUM(weight_ns) / 1e9 AS gc_s \
              FROM cpu WHERE activity = 'gc' GROUP BY proc, process, pid \
              ORDER BY gc_s DESC, process LIMIT 20",
    },
    Named {
        name: "top_runs",
        description: "the 20 processes that schedulers ran longest while events were watched, how \
                      often, and how often that is estimated in the whole recording",
        sql: "SELECT process, pid, COUNT(*) AS runs, SUM(ran_ns) / 1e9 AS ran_s, \
              SUM(reductions) AS reductions, COUNT(*) * MAX(scale) AS runs_in_all \
              FROM named_runs CROSS JOIN watched \
              GROUP BY proc, process, pid ORDER BY ran_s DESC, process LIMIT 20",
    },
    Named {
        name: "left_in",
        description: "the 20 places where processes left schedulers most often while events were \
                      watched, and how",
        sql: "SELECT left_in, file, line, left_as, COUNT(*) AS runs, \
              COUNT(*) * MAX(scale) AS runs_in_all FROM named_runs CROSS JOIN watched \
              GROUP BY left_in, file, line, left_as \
              ORDER BY runs DESC, left_in, line, left_as LIMIT 20",
    },
    Named {
        name: "top_senders",
        description: "the 20 processes that sent the most messages while events were watched, and \
                      how many that is estimated in the whole recording",
        sql: concat!(
            "SELECT sender, sender_pid, COUNT(*) AS messages, \
             SUM(CASE WHEN kind = 'call' THEN 1 ELSE 0 END) AS calls, \
             SUM(CASE WHEN kind = 'cast' THEN 1 ELSE 0 END) AS casts, \
             SUM(size_words) AS words, COUNT(size_words) AS of_known_size, \
             COUNT(*) * MAX(scale) AS messages_in_all \
             FROM named_messages CROSS JOIN watched WHERE sender IS NOT NULL AND ",
            became_message!(),
            " GROUP BY \"from\", sender, sender_pid ORDER BY messages DESC, sender LIMIT 20",
        ),
    },
    Named {
        name: "top_receivers",
        description: "the 20 processes that got the most messages while events were watched, how \
                      long these lay in the mailbox, and how many that is estimated in the whole \
                      recording",
        sql: concat!(
            "SELECT receiver, receiver_pid, COUNT(*) AS messages, \
             COUNT(received_ns) AS taken, AVG(lay_ns) / 1e6 AS lay_ms, \
             MAX(lay_ns) / 1e6 AS longest_ms, COUNT(*) * MAX(scale) AS messages_in_all \
             FROM named_messages CROSS JOIN watched WHERE ",
            became_message!(),
            " GROUP BY \"to\", receiver, receiver_pid \
             ORDER BY messages DESC, receiver LIMIT 20",
        ),
    },
    Named {
        name: "large_messages",
        description: "the 20 pairs of processes between which the largest messages went while \
                      events were watched, of those whose size is known",
        sql: concat!(
            "SELECT sender, sender_pid, receiver, receiver_pid, MAX(size_words) AS largest_words, \
             SUM(size_words) AS words, COUNT(size_words) AS of_known_size, \
             COUNT(*) AS messages FROM named_messages WHERE ",
            became_message!(),
            " GROUP BY \"from\", sender, sender_pid, \"to\", receiver, receiver_pid \
             HAVING COUNT(size_words) > 0 \
             ORDER BY largest_words DESC, words DESC, sender, receiver LIMIT 20",
        ),
    },
    Named {
        name: "slow_messages",
        description: "the 20 messages that lay in a mailbox longest until they were taken out, of \
                      those of which both was watched",
        sql: "SELECT msg, sender, sender_pid, receiver, receiver_pid, kind, tag, \
              sent_ns / 1e9 AS sent_s, \
              lay_ns / 1e6 AS lay_ms FROM named_messages WHERE lay_ns IS NOT NULL \
              ORDER BY lay_ns DESC, msg LIMIT 20",
    },
    Named {
        name: "message_fates",
        description: "how many messages of each kind were received, or not, while events were \
                      watched; without signals that may never have become one",
        sql: concat!(
            "SELECT kind, fate, COUNT(*) AS messages, COUNT(*) * MAX(scale) AS messages_in_all \
             FROM messages CROSS JOIN watched WHERE ",
            became_message!(),
            " GROUP BY kind, fate ORDER BY messages DESC, kind, fate",
        ),
    },
    Named {
        name: "slow_gc",
        description: "the 20 garbage collections that took longest while events were watched",
        sql: "SELECT process, pid, start_ns / 1e9 AS start_s, took_ns / 1e6 AS took_ms, \
              before_words, after_words, cut FROM named_gc \
              ORDER BY took_ns DESC, start_ns LIMIT 20",
    },
    Named {
        name: "native_calls",
        description: "the 20 BIFs and NIFs of --calls that were called the most while events were \
                      watched, from where and by which kind of process, and how many calls that \
                      is estimated in the whole recording",
        sql: "SELECT called, returns_to, process_group, COUNT(*) AS calls, \
              COUNT(*) * MAX(scale) AS calls_in_all, \
              SUM(CASE WHEN cut IS NULL THEN took_ns ELSE NULL END) / 1e6 AS took_ms, \
              MAX(CASE WHEN cut IS NULL THEN took_ns ELSE NULL END) / 1e6 AS longest_ms \
              FROM named_native_calls CROSS JOIN watched WHERE cut IS NULL OR cut = 'end' \
              GROUP BY called, returns_to, process_group \
              ORDER BY calls DESC, called, returns_to, process_group LIMIT 20",
    },
    Named {
        name: "loads",
        description: "the 20 modules whose code was loaded or purged the most while events were \
                      watched, and how often that is estimated in the whole recording",
        sql: "SELECT module, \
              SUM(CASE WHEN event = 'load' THEN 1 ELSE 0 END) AS loads, \
              SUM(CASE WHEN event = 'purge' THEN 1 ELSE 0 END) AS purges, \
              MAX(ts_ns) / 1e9 AS last_s, COUNT(*) * MAX(scale) AS events_in_all \
              FROM named_modules CROSS JOIN watched \
              GROUP BY module ORDER BY loads DESC, purges DESC, module LIMIT 20",
    },
    Named {
        name: "top_ports",
        description: "the 20 ports that processes gave something to or got something from most \
                      often while events were watched, with how many bytes where that is known, \
                      and how often that is estimated in the whole recording",
        sql: "SELECT port_name, driver, \
              SUM(CASE WHEN event = 'output' THEN 1 ELSE 0 END) AS outputs, \
              SUM(CASE WHEN event = 'output' THEN bytes ELSE NULL END) AS bytes_to_it, \
              SUM(CASE WHEN event = 'input' THEN 1 ELSE 0 END) AS inputs, \
              SUM(CASE WHEN event = 'input' THEN bytes ELSE NULL END) AS bytes_of_it, \
              SUM(CASE WHEN bytes IS NULL THEN 1 ELSE 0 END) AS unknown, \
              COUNT(*) AS events, COUNT(*) * MAX(scale) AS events_in_all \
              FROM named_port_events CROSS JOIN watched \
              WHERE event = 'output' OR event = 'input' \
              GROUP BY port, port_name, driver ORDER BY events DESC, port_name LIMIT 20",
    },
    Named {
        name: "top_nodes",
        description: "the 20 other nodes that most signals went to or came from while events were \
                      watched, with how many of them were messages and how many bytes where that is \
                      known, and how many signals that is estimated in the whole recording",
        sql: "SELECT node, \
              SUM(CASE WHEN event = 'sent' THEN 1 ELSE 0 END) AS sent, \
              SUM(CASE WHEN event = 'sent' AND op IN ('send', 'reg_send', 'alias_send') \
              THEN 1 ELSE 0 END) AS messages_sent, \
              SUM(CASE WHEN event = 'sent' THEN bytes ELSE NULL END) AS bytes_sent, \
              SUM(CASE WHEN event = 'received' THEN 1 ELSE 0 END) AS received, \
              SUM(CASE WHEN event = 'received' AND op IN ('send', 'reg_send', 'alias_send') \
              THEN 1 ELSE 0 END) AS messages_received, \
              SUM(CASE WHEN event = 'sent' THEN NULL ELSE bytes END) AS bytes_received, \
              SUM(CASE WHEN event = 'suspended' THEN 1 ELSE 0 END) AS suspended, \
              SUM(CASE WHEN event IN ('sent', 'received') THEN 1 ELSE 0 END) AS signals, \
              SUM(CASE WHEN event IN ('sent', 'received') THEN 1 ELSE 0 END) * MAX(scale) \
              AS signals_in_all \
              FROM named_dist CROSS JOIN watched \
              GROUP BY node ORDER BY signals DESC, node LIMIT 20",
    },
    Named {
        name: "spawns",
        description: "the 20 processes that spawned the most of one kind while events were watched, \
                      which, and how many that is estimated in the whole recording",
        sql: "SELECT other_process AS parent, other_pid AS parent_pid, process_group AS spawned, \
              COUNT(*) AS processes, COUNT(*) * MAX(scale) AS processes_in_all \
              FROM named_lifecycle CROSS JOIN watched WHERE event = 'spawn' \
              GROUP BY other, other_process, other_pid, process_group \
              ORDER BY processes DESC, spawned, parent LIMIT 20",
    },
    Named {
        name: "exits",
        description: "for which reasons processes of which kind ended while events were watched, the \
                      20 most frequent, and how many that is estimated in the whole recording",
        sql: "SELECT reason, process_group, COUNT(*) AS processes, \
              COUNT(*) * MAX(scale) AS processes_in_all \
              FROM named_lifecycle CROSS JOIN watched WHERE event = 'exit' \
              GROUP BY reason, process_group ORDER BY processes DESC, reason LIMIT 20",
    },
    Named {
        name: "watched",
        description: "how long events were watched, in how many windows, and by what counts of \
                      events are to be multiplied to stand for the whole recording",
        sql: "SELECT windows, watched_ns / 1e9 AS watched_s, watched_reductions, vm_reductions, \
              scale \
              FROM watched",
    },
    Named {
        name: "truncated",
        description: "how much CPU time has an incomplete stack, and why",
        sql: "SELECT truncated, COUNT(*) AS samples, SUM(weight_ns) / 1e9 AS cpu_s \
              FROM samples GROUP BY truncated ORDER BY cpu_s DESC, truncated",
    },
    Named {
        name: "losses",
        description: "what is missing from the recording, and what would prevent it",
        sql: "SELECT place, SUM(count) AS count, MIN(from_ns) / 1e9 AS from_s, \
              MAX(to_ns) / 1e9 AS to_s, meaning, remedy \
              FROM losses GROUP BY place, meaning, remedy ORDER BY count DESC, place",
    },
];

/// Every named query.
#[must_use]
pub fn named() -> &'static [Named] {
    NAMED
}

/// The SQL of a query that may be given as `@name`.
pub(crate) fn expand(sql: &str) -> Result<&str, QueryError> {
    let Some(name) = sql.trim().strip_prefix('@') else {
        return Ok(sql);
    };
    match NAMED.iter().find(|query| query.name == name) {
        Some(query) => Ok(query.sql),
        None => Err(QueryError::UnknownNamed {
            name: name.to_owned(),
            known: NAMED.iter().map(|query| query.name.to_owned()).collect(),
        }),
    }
}
