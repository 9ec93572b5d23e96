"""Reads an exported timeline as others do, and compares it with the tables of its recording.

    timeline.py RECORDING TRACE.pftrace TRACE.json

The recording's Parquet files are read by DuckDB, the Perfetto file by the protos that Perfetto
publishes (PyPI: perfetto), the Chrome trace by Python's own JSON. Each is summed up in the same
way; what differs is printed, and the exit status is 1. The rules by which a reader understands a
file are asserted: numbers that were interned before, tracks that were declared, slices that nest,
flows with two ends.
"""

import collections
import json
import sys

import duckdb
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb


def sums():
    return collections.defaultdict(lambda: [0, 0])


def add(into, key, value=0):
    into[key][0] += 1
    into[key][1] += value


def tables(recording):
    """What the tables say. Processes are known by their pids."""
    db = duckdb.connect()
    for name in ("runs", "gc", "messages", "lifecycle", "samples", "losses", "processes", "series", "windows",
                 "off_cpu", "native_calls", "modules", "port_events",
                 "dist", "payloads"):
        db.execute(f"create view {name} as select * from '{recording}/{name}.parquet'")
    db.execute("""create view moves as
        select "to" as proc, sent_ns as ts, 1 as step, 1 as turn from messages
        where fate <> 'unknown'
        union all
        select "to", received_ns, -1, if(received_ns = sent_ns, 2, 0) from messages
        where received_ns is not null
        union all
        select "to", greatest(sent_ns, ts_ns), -1, if(ts_ns <= sent_ns, 2, 0) from messages
        join lifecycle on proc = "to" and event = 'exit' where fate = 'dropped'""")
    # A time without a CPU is blocked or asleep first, and then ready.
    db.execute("""create view parts as
        with times as (select *, end_ns - start_ns as took from off_cpu),
        split as (select *, if(why = 'preempted', took, least(coalesce(ready_ns, 0), took)) as ready from times)
        select scheduler || ' without a CPU' as track, if(proc is null, 'asleep', 'blocked') as name,
               took - ready as ns from split
        union all select scheduler || ' without a CPU', 'preempted', ready from split""")
    pid = lambda column: f"coalesce((select p.pid from processes p where p.proc = {column}), 'outside')"

    def query(sql):
        return {tuple(row[:-2]): [row[-2], int(row[-1] or 0)] for row in db.execute(sql).fetchall()}

    span = "sum(end_ns - start_ns)"
    with open(f"{recording}/manifest.json", encoding="utf-8") as file:
        end_ns = json.load(file)["ended"]["at_ns"]
    watched = db.execute("select from_ns, to_ns from windows order by 1").fetchall()
    begins, ends = [from_ns for from_ns, _ in watched], [to_ns for _, to_ns in watched]
    between = zip([0] + ends, begins + [end_ns]) if watched else []
    between = [to_ns - from_ns for from_ns, to_ns in between if from_ns < to_ns]
    return {
        "runs by scheduler": query(f"select scheduler, count(*), {span} from runs group by 1"),
        "runs by process": query(f"select {pid('runs.proc')}, count(*), {span} from runs group by 1"),
        "reductions": query("select scheduler, count(reductions), sum(reductions) from runs "
                            "group by 1 having count(reductions) > 0"),
        "how runs ended": query("select coalesce(left_as, 'unseen'), count(*), 0 from runs group by 1"),
        "ends not seen": query("select cut, count(*), 0 from (select cut from runs union all "
                               "select cut from gc union all select cut from native_calls "
                                "where end_ns is not null) where cut is not null group by 1"),
        "collections": query(f"select {pid('gc.proc')}, count(*), {span} from gc group by 1"),
        "native calls": query(f"""select {pid('native_calls.proc')}, count(*), sum(end_ns - start_ns)
                                  from native_calls group by 1"""),
        "modules": query(f"""select {pid('modules.proc')}, event, module, count(*), sum(ts_ns)
                             from modules group by 1, 2, 3"""),
        "ports": query(f"""select {pid('port_events.proc')}, event, port, count(*), sum(ts_ns)
                           from port_events group by 1, 2, 3"""),
        "dist": query(f"""select {pid('dist.proc')}, event, coalesce(node, ''), coalesce(op, ''), count(*), sum(ts_ns)
                          from dist group by 1, 2, 3, 4"""),
        "bytes of dist": query("select event, count(bytes), sum(bytes) from dist "
                               "group by 1 having count(bytes) > 0"),
        "bytes of ports": query("select event, count(bytes), sum(bytes) from port_events "
                                "group by 1 having count(bytes) > 0"),
        "words collected": query("select 'words', count(before_words), sum(before_words) from gc "
                                 "having count(before_words) > 0"),
        "sent": query(f"""select {pid('messages."from"')}, kind, coalesce(tag, ''), count(*), sum(sent_ns)
                          from messages group by 1, 2, 3"""),
        "payloads": query("select seen, count(*), sum(length(text)) from payloads join messages using (msg) group by 1"),
        "payloads received": query("select seen, count(*), sum(length(text)) from payloads join messages using (msg) "
                                   "where received_ns is not null group by 1"),
        "received": query(f"""select {pid('messages."to"')}, kind, coalesce(tag, ''), count(*), sum(received_ns)
                              from messages where received_ns is not null group by 1, 2, 3"""),
        "time in mailboxes": query("select 'all', count(*), sum(received_ns - sent_ns) from messages "
                                   "where received_ns is not null having count(*) > 0"),
        "fates": query("select fate, count(*), 0 from messages group by 1"),
        "flows": query(f"""select {pid('messages."from"')}, {pid('messages."to"')}, count(*), sum(received_ns - sent_ns)
                           from messages where received_ns is not null group by 1, 2"""),
        "spawned": query(f"""select {pid('lifecycle.other')}, {pid('lifecycle.proc')}, count(*), 0
                             from lifecycle where event = 'spawn' and other is not null group by 1, 2"""),
        "life": query(f"select {pid('lifecycle.proc')}, event, count(*), sum(ts_ns) from lifecycle group by 1, 2"),
        "reasons": query("select reason, count(*), 0 from lifecycle where reason is not null group by 1"),
        "samples": query(f"""select {pid('samples.proc')}, count(*), sum(weight_ns) from samples
                             where activity not in ('idle', 'busy_wait') group by 1"""),
        "depth of stacks": query("""select 'all', count(*), sum(len(frames)) from samples join
                            (select * from '%s/stacks.parquet') using (stack)
                            where activity not in ('idle', 'busy_wait') and len(frames) > 0
                            having count(*) > 0""" % recording),
        "without a CPU": query("select track, name, count(*), sum(ns) from parts where ns > 0 group by 1, 2"),
        "losses": query("select place, count(*), sum(count) from losses group by 1"),
        "not watched": {("all",): [len(between), sum(between)]} if between else {},
        "series": query("select metric, count(*), sum(value) from series group by 1"),
        # How often it changed, and what lies in it in the end.
        "mailboxes": query(f"select {pid('moves.proc')}, count(*), sum(step) from moves group by 1"),
        "longest mailboxes": query(f"""
            with lengths as (
                select proc, sum(step) over (partition by proc order by ts, turn
                       rows unbounded preceding) as length from moves
            ) select {pid('lengths.proc')}, max(length), 0 from lengths group by 1"""),
    }


class Summary:
    """The same of a file, told event by event."""

    def __init__(self):
        self.of = {key: sums() for key in (
            "runs by scheduler", "runs by process", "reductions", "how runs ended", "ends not seen",
            "collections", "words collected", "sent", "received", "time in mailboxes", "fates",
            "flows", "spawned", "life", "reasons", "samples", "depth of stacks", "losses", "series",
            "mailboxes", "not watched", "without a CPU", "native calls", "modules", "ports",
            "bytes of ports", "dist", "bytes of dist", "payloads", "payloads received")}
        self.ends = collections.defaultdict(list)
        self.longest, self.lengths = {}, {}

    def slice(self, path, category, name, duration, args):
        group, *rest = path
        if "cut" in args and group != "BEAM schedulers":
            add(self.of["ends not seen"], (args["cut"],))
        if category == "run" and group == "BEAM schedulers":
            add(self.of["runs by scheduler"], (rest[0],), duration)
            add(self.of["how runs ended"], (args.get("left_as", "unseen"),))
            if "reductions" in args:
                add(self.of["reductions"], (rest[0],), args["reductions"])
        elif category == "run":
            add(self.of["runs by process"], (pid_of(path),), duration)
        elif category == "gc":
            add(self.of["collections"], (pid_of(path),), duration)
            if "before_words" in args:
                add(self.of["words collected"], ("words",), args["before_words"])
        elif category == "native_call":
            add(self.of["native calls"], (pid_of(path),), duration)
        elif category == "off_cpu":
            assert group == "BEAM schedulers", path
            add(self.of["without a CPU"], (path[-1], name.split(" ")[0]), duration)
        elif category == "not_watched":
            assert tuple(path) == ("Lost", "events not watched"), path
            add(self.of["not watched"], ("all",), duration)
        elif category == "loss":
            assert group == "Lost", path
            add(self.of["losses"], (rest[0],), args["count"])
        else:
            raise AssertionError(f"a slice of {category}")

    def instant(self, path, category, name, ts_ns, args, flow, depth):
        who = pid_of(path)
        if category == "message":
            key = (who, args["kind"], args.get("tag", ""))
            if name.startswith("send "):
                add(self.of["sent"], key, ts_ns)
                add(self.of["fates"], (args["fate"],))
                assert (flow is not None) == (args["fate"] == "received"), args
            else:
                assert name.startswith("receive ") and flow is not None, name
                add(self.of["received"], key, ts_ns)
                add(self.of["time in mailboxes"], ("all",), args["in_mailbox_ns"])
            if "payload_seen" in args:
                end = "payloads" if name.startswith("send ") else "payloads received"
                add(self.of[end], (args["payload_seen"],), len(args.get("payload", "")))
            if flow is not None:
                self.ends[flow].append((name.startswith("receive "), who, ts_ns, "flows"))
        elif category == "life":
            add(self.of["life"], (who, args["event"]), ts_ns)
            if flow is not None:
                assert name == "spawned" and "parent" in args, args
                self.ends[flow].append((True, who, ts_ns, "spawned"))
            if "reason" in args:
                add(self.of["reasons"], (args["reason"],))
        elif category == "native_call":
            add(self.of["native calls"], (who,))
        elif category == "code":
            assert name == f"{args['event']} {args['module']}", name
            add(self.of["modules"], (who, args["event"], args["module"]), ts_ns)
        elif category == "dist":
            key = (who, args["event"], args.get("node", ""), args.get("op", ""))
            add(self.of["dist"], key, ts_ns)
            if "bytes" in args:
                add(self.of["bytes of dist"], (args["event"],), args["bytes"])
        elif category == "port":
            add(self.of["ports"], (who, args["event"], args["port"]), ts_ns)
            if "bytes" in args:
                add(self.of["bytes of ports"], (args["event"],), args["bytes"])
        elif category == "spawn":
            assert args["child"]
            self.ends[flow].append((False, who, ts_ns, "spawned"))
        elif category == "sample":
            add(self.of["samples"], (who,), args["weight_ns"])
            if depth:
                add(self.of["depth of stacks"], ("all",), depth)
        else:
            raise AssertionError(f"an instant of {category}")

    def counter(self, path, value):
        if path[-1] == "mailbox":
            pid = pid_of(path)
            self.longest[pid] = max(self.longest.get(pid, 0), value)
            add(self.of["mailboxes"], (pid,), value - self.lengths.get(pid, 0))
            self.lengths[pid] = value
        else:
            add(self.of["series"], (path[-1],), value)

    def finish(self):
        for ends in self.ends.values():
            assert [end[0] for end in sorted(ends)] == [False, True], ends
            (_, sender, sent_ns, sort), (_, receiver, received_ns, same) = sorted(ends)
            assert sort == same, ends
            add(self.of[sort], (sender, receiver), received_ns - sent_ns)
        result = {key: {k: [n, int(v)] for k, (n, v) in of.items()} for key, of in self.of.items()}
        result["longest mailboxes"] = {(pid,): [int(n), 0] for pid, n in self.longest.items()}
        return result


def pid_of(path):
    """The last word of a process's track; `outside` of the others."""
    return path[1].rsplit(" ", 1)[-1] if path[0] == "Erlang processes" else "outside"


def perfetto(path, start_ns):
    trace = pb.Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    bytes_read = trace.ByteSize()
    trace.DiscardUnknownFields()
    assert trace.ByteSize() == bytes_read, "fields that the published protos lack"
    first = trace.packet[0]
    clocks = {clock.clock_id: clock.timestamp for clock in first.clock_snapshot.clocks}
    assert clocks[pb.BUILTIN_CLOCK_MONOTONIC] == start_ns["start_monotonic_ns"]
    assert clocks[pb.BUILTIN_CLOCK_REALTIME] == start_ns["start_realtime_ns"]
    assert first.clock_snapshot.primary_trace_clock == pb.BUILTIN_CLOCK_MONOTONIC
    assert first.trace_packet_defaults.timestamp_clock_id == pb.BUILTIN_CLOCK_MONOTONIC
    assert first.sequence_flags == 3

    interned = collections.defaultdict(dict)
    tracks, ranks, depths, events = {}, collections.defaultdict(list), {}, []
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id == 1
        for field, entries in packet.interned_data.ListFields():
            for entry in entries:
                assert entry.iid and entry.iid not in interned[field.name], entry
                interned[field.name][entry.iid] = entry
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid and track.uuid not in tracks
            assert track.sibling_merge_behavior == track.SIBLING_MERGE_BEHAVIOR_NONE
            above = tracks[track.parent_uuid] if track.parent_uuid else ()
            tracks[track.uuid] = above + (track.name,)
            ranks[track.parent_uuid].append(track.sibling_order_rank)
        if packet.HasField("track_event"):
            assert packet.sequence_flags == 2
            events.append((packet.timestamp - start_ns["start_monotonic_ns"], packet.track_event))
    for children in ranks.values():
        assert len(set(children)) == len(children), "two tracks with one rank"

    def value(annotation):
        kind = annotation.WhichOneof("value")
        got = getattr(annotation, kind)
        if kind == "string_value_iid":
            return interned["debug_annotation_string_values"][got].str.decode()
        return got

    # As readers do: by time, and at one time as they come.
    events.sort(key=lambda event: event[0])
    summary, open_slices = Summary(), collections.defaultdict(list)
    for ts_ns, event in events:
        path = tracks[event.track_uuid]
        args = {interned["debug_annotation_names"][it.name_iid].name: value(it)
                for it in event.debug_annotations}
        category = [interned["event_categories"][iid].name for iid in event.category_iids]
        name = event.name or (event.name_iid and interned["event_names"][event.name_iid].name)
        if event.type == event.TYPE_SLICE_BEGIN:
            open_slices[event.track_uuid].append((ts_ns, category, name, args))
            assert len(open_slices[event.track_uuid]) == 1, f"two slices at once on {path}"
        elif event.type == event.TYPE_SLICE_END:
            began_ns, [category], name, args = open_slices[event.track_uuid].pop()
            summary.slice(path, category, name, ts_ns - began_ns, args)
        elif event.type == event.TYPE_INSTANT:
            flows = list(event.flow_ids) + list(event.terminating_flow_ids)
            assert len(flows) <= 1
            depth = 0
            if event.callstack_iid:
                frames = interned["callstacks"][event.callstack_iid].frame_ids
                functions = [interned["function_names"][interned["frames"][it].function_name_id].str
                             for it in frames]
                assert functions[-1].decode() == name, "the innermost is last"
                depth = len(frames)
            summary.instant(path, category[0], name, ts_ns, args, flows[0] if flows else None, depth)
        elif event.type == event.TYPE_COUNTER:
            kind = event.WhichOneof("counter_value_field")
            summary.counter(path, getattr(event, kind))
        else:
            raise AssertionError(event)
    assert not any(open_slices.values()), "a slice without an end"
    return summary.finish()


def chrome(path, start_ns):
    with open(path, encoding="utf-8") as file:
        trace = json.load(file)
    for clock, ns in start_ns.items():
        assert trace["otherData"][clock] == str(ns)
    events = trace["traceEvents"]
    names, threads = {}, {}
    for event in events:
        if event["name"] == "process_name":
            names[event["pid"]] = event["args"]["name"]
        elif event["name"] == "thread_name":
            threads[event["tid"]] = event["args"]["name"]
    groups = {"BEAM schedulers", "Lost", "Outside of processes", "VM"}

    def path_of(event):
        group = names[event["pid"]]
        path = (group,) if group in groups else ("Erlang processes", group)
        inner = event["name"] if event["ph"] == "C" else threads[event["tid"]]
        return path + (inner,)

    ns = lambda us: round(us * 1000)
    frames = trace.get("stackFrames", {})
    summary, last, ends = Summary(), None, {}
    for event in events:
        ph = event["ph"]
        if ph == "X":
            summary.slice(path_of(event), event["cat"], event["name"], ns(event["dur"]), event["args"])
            last_ns = ends.get(event["tid"], ns(event["ts"]))
            assert last_ns <= ns(event["ts"]), f"two slices at once: {event}"
            ends[event["tid"]] = ns(event["ts"]) + ns(event["dur"])
        elif ph in "sf":
            # It belongs to the instant before it.
            assert all(event[key] == last[key] for key in ("pid", "tid", "ts")), event
            sort = {"message": "flows", "spawn": "spawned"}[event["cat"]]
            begins = last["name"].startswith("send ") or last["cat"] == "spawn"
            assert (ph == "s") == begins and (begins or event["bp"] == "e"), event
            end = (ph == "f", pid_of(path_of(last)), ns(event["ts"]), sort)
            summary.ends[event["id"]].append(end)
        elif ph == "i":
            depth, frame = 0, event.get("sf")
            while frame is not None:
                depth, frame = depth + 1, frames[str(frame)].get("parent")
            args = event["args"]
            has_flow = args.get("fate") == "received" or {"from", "child", "parent"} & args.keys()
            # The end itself comes next.
            flow = "here" if has_flow else None
            summary.instant(path_of(event), event["cat"], event["name"], ns(event["ts"]),
                            event["args"], flow, depth)
            summary.ends.pop("here", None)
        elif ph == "C":
            [value] = event["args"].values()
            summary.counter(path_of(event), value)
        else:
            assert ph == "M", event
        last = event
    return summary.finish()


def main(recording, pftrace, json_path):
    with open(f"{recording}/manifest.json", encoding="utf-8") as file:
        clocks = json.load(file)["clocks"]
    start_ns = {key: clocks[key] for key in ("start_monotonic_ns", "start_realtime_ns")}
    told = tables(recording)
    status = 0
    for name, found in (("perfetto", perfetto(pftrace, start_ns)),
                        ("chrome-trace", chrome(json_path, start_ns))):
        assert found.keys() == told.keys()
        for key, expected in told.items():
            for part in sorted(expected.keys() | found[key].keys()):
                if expected.get(part) != found[key].get(part):
                    status = 1
                    print(f"{name}: {key} of {part}: the table has {expected.get(part)}, "
                          f"the file {found[key].get(part)}")
    print(json.dumps({key: sum(n for n, _ in of.values()) for key, of in told.items()}))
    return status


sys.exit(main(*sys.argv[1:]))
