%% Messages of known sizes. For each shape there are two boxes, one with its mailbox on and one off heap, that get COUNT=20
%% messages of it and nothing else. `stop` waits until they have received them. One line each:
%%   box=<0.N.S> data=on_heap|off_heap shape=NAME words=N sent=N
%% `words` is how many words are copied to send one: erts_debug:flat_size/1 without what is a literal of this module.
%% What lies elsewhere than within the message, or with more, has a shape of its own: `literal` all of which is one,
%% `timer` that a timer sends, `alias` that is sent to an alias, `traced` that is sent with a token of seq_trace.
-module(weights).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

-define(SHAPES, [atom, small, pid, nil, pair, partly_literal, integers, string, big, float, map, hash_map, heap_binary,
                 binary, part, 'fun', nested, large, literal, timer, alias, traced]).

main() -> workload:run(?MODULE).

prepare() ->
    Count = workload:env_int("COUNT", 20),
    %% Who calls a module first gets an answer of the code server.
    {module, seq_trace} = code:ensure_loaded(seq_trace),
    Self = self(),
    Boxes = [box(Shape, Data, Count, Self) || Shape <- ?SHAPES, Data <- [on_heap, off_heap]],
    {[{boxes, length(Boxes)}], {Boxes, Count}}.

box(Shape, Data, Count, Owner) ->
    Box = spawn_opt(fun() ->
        Owner ! {here, self(), alias()},
        take(Count),
        seq_trace:set_token([]),
        Owner ! {full, self()},
        receive never -> ok end
    end, [{message_queue_data, Data}]),
    receive {here, Box, Alias} -> {Shape, Data, Box, Alias} end.

take(0) -> ok;
take(Count) -> receive _ -> take(Count - 1) end.

start({Boxes, Count}) ->
    Lines = [fill(Box, Count) || Box <- Boxes],
    {[{count, Count}], {Boxes, Lines}}.

stop({Boxes, Lines}) ->
    _ = [receive {full, Box} -> ok end || {_, _, Box, _} <- Boxes],
    {Lines, [{boxes, length(Boxes)}]}.

fill({Shape, Data, Box, Alias}, Count) ->
    Send = case Shape of
        timer -> fun(Message) -> erlang:send_after(0, Box, Message) end;
        alias -> fun(Message) -> Alias ! Message end;
        _ -> fun(Message) -> Box ! Message end
    end,
    Fill = fun() -> lists:foldl(fun(N, _) -> Message = message(Shape, N), Send(Message), Message end, none,
                                lists:seq(1, Count)) end,
    Last = case Shape of
        traced ->
            Owner = self(),
            spawn(fun() -> seq_trace:set_token(label, 17), Sent = Fill(), seq_trace:set_token([]), Owner ! {sent, Sent} end),
            receive {sent, Sent} -> Sent end;
        _ -> Fill()
    end,
    [{box, Box}, {data, Data}, {shape, Shape}, {words, words(Shape, Last)}, {sent, Count}].

words(literal, _) -> 0;
words(partly_literal, {N, _}) -> erts_debug:flat_size({N, []});
words('fun', Fun) -> erts_debug:flat_size(Fun) - fun_reference(erlang:system_info(otp_release));
words(_, Message) -> erts_debug:flat_size(Message).

%% In OTP 27 a fun refers to its code by a literal of 3 words, a FunRef (erl_fun.h).
fun_reference("27") -> 3;
fun_reference(_) -> 0.

message(atom, _) -> ball;
message(small, N) -> N;
message(pid, _) -> self();
message(nil, _) -> [];
message(pair, N) -> {N, N};
message(partly_literal, N) -> {N, "a literal is not copied"};
message(integers, N) -> lists:seq(N, N + 99);
message(string, N) -> integer_to_list(1000000 + N);
message(big, N) -> (1 bsl 200) + N;
message(float, N) -> N * 1.5;
message(map, N) -> #{key() => N, N => self()};
message(hash_map, N) -> maps:from_list([{K, N} || K <- lists:seq(1, 100)]);
message(heap_binary, N) -> <<N:80>>;
message(binary, N) -> binary:copy(<<N:64>>, 1000);
message(part, N) -> binary:part(message(binary, N), 100, 200);
message('fun', N) -> Key = key(), fun() -> {Key, N} end;
message(nested, N) -> {note, [{N, <<N:64>>, self()}, make_ref()], {N, {N, N}}};
message(large, N) -> list_to_tuple(lists:duplicate(50000, N));
message(literal, _) -> {all, {of_it, "is a literal"}};
message(timer, N) -> {timer, N};
message(alias, N) -> {alias, N, self()};
message(traced, N) -> {traced, N, self()}.

key() -> {key, self()}.
