%% Ports that are opened, written to, read from and closed. Of ROUNDS=20 rounds each has
%%   a `cat`, to which ports_worker gives a binary, bytes, a nested list with a part of a binary, `{command, _}` by `!`, and
%%   LONG bytes as a list; it waits until all have come back and closes it;
%%   a connection over the loopback interface, on which ports_worker sends a binary, a list and LONG bytes as a list to
%%   ports_receiver, which gets them as messages, as binaries and as lists in turn, and sends an answer that is received
%%   by gen_tcp:recv/2; both sides close.
%% done: rounds, long, the bytes of all rounds to cats (cat_bytes), over connections (tcp_bytes), and of answers
%% (answer_bytes); how many messages with data ports_receiver got (tcp_messages); worker=<0.N.S> receiver=<0.N.S>.
-module(ports).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

-define(LONG, 200).
-define(ANSWER, <<"0123456789">>).

main() -> workload:run(?MODULE).

prepare() ->
    Cat = case os:find_executable("cat") of false -> error(no_cat); Path -> Path end,
    Self = self(),
    Receiver = spawn_link(fun() ->
        register(ports_receiver, self()),
        {ok, Listen} = gen_tcp:listen(0, [binary, {ip, {127, 0, 0, 1}}, {active, false}, {backlog, 8}]),
        {ok, Port} = inet:port(Listen),
        Self ! {listening, Port},
        receiver(Listen, 0, 0)
    end),
    Port = receive {listening, P} -> P end,
    Rounds = workload:env_int("ROUNDS", 20),
    Worker = spawn_link(fun() ->
        register(ports_worker, self()),
        receive {go, From} -> ok end,
        Sums = lists:foldl(fun(N, Sum) -> round(N, Cat, Port, Receiver, Sum) end, {0, 0}, lists:seq(1, Rounds)),
        From ! {finished, self(), Sums},
        receive never -> ok end
    end),
    {[{rounds, Rounds}], {Worker, Receiver, Rounds}}.

start({Worker, Receiver, Rounds}) ->
    Worker ! {go, self()},
    {[], {Worker, Receiver, Rounds}}.

stop({Worker, Receiver, Rounds}) ->
    {CatBytes, TcpBytes} = receive {finished, Worker, Sums} -> Sums end,
    Receiver ! {counts, self()},
    {TcpBytes, Messages} = receive {counts, Receiver, Counts} -> Counts end,
    {[], [{rounds, Rounds}, {long, ?LONG}, {cat_bytes, CatBytes}, {tcp_bytes, TcpBytes},
          {answer_bytes, Rounds * byte_size(?ANSWER)}, {tcp_messages, Messages}, {worker, Worker},
          {receiver, Receiver}]}.

round(N, Cat, Port, Receiver, {CatBytes, TcpBytes}) ->
    {CatBytes + cat(N, Cat), TcpBytes + connection(N, Port, Receiver)}.

cat(N, Cat) ->
    Port = open_port({spawn_executable, Cat}, [binary]),
    %% No match: later releases do not load what compilers of earlier ones make of it.
    Part = binary:part(binary:copy(<<"0123456789">>, 10), 3, 5),
    Data = [binary:copy(<<"x">>, 100 + N), "some bytes", [<<"ab">>, [$c, <<"def">>, [] | Part], <<>>]],
    _ = [true = port_command(Port, It) || It <- Data],
    Port ! {self(), {command, <<"bang">>}},
    true = port_command(Port, lists:duplicate(?LONG, $z)),
    All = iolist_size(Data) + 4 + ?LONG,
    ok = echo(Port, All),
    true = port_close(Port),
    All.

echo(_, 0) -> ok;
echo(Port, Left) -> receive {Port, {data, Data}} -> echo(Port, Left - byte_size(Data)) end.

connection(N, Port, Receiver) ->
    Mode = case N rem 2 of 0 -> binary; 1 -> list end,
    Data = [binary:copy(<<"y">>, 1000 + N), [<<"head">>, $:, "body"], lists:duplicate(?LONG, $z)],
    All = iolist_size(Data),
    Receiver ! {accept, Mode, All},
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    _ = [ok = gen_tcp:send(Socket, It) || It <- Data],
    {ok, ?ANSWER} = gen_tcp:recv(Socket, byte_size(?ANSWER)),
    ok = gen_tcp:close(Socket),
    All.

receiver(Listen, Bytes, Messages) ->
    receive
        {accept, Mode, All} ->
            {ok, Socket} = gen_tcp:accept(Listen),
            ok = inet:setopts(Socket, [Mode, {active, true}]),
            More = received(Socket, All, 0),
            ok = gen_tcp:send(Socket, ?ANSWER),
            %% The other side closes first.
            receive {tcp_closed, Socket} -> ok end,
            ok = gen_tcp:close(Socket),
            receiver(Listen, Bytes + All, Messages + More);
        {counts, From} ->
            From ! {counts, self(), {Bytes, Messages}},
            receiver(Listen, Bytes, Messages)
    end.

received(_, 0, Messages) -> Messages;
received(Socket, Left, Messages) ->
    receive {tcp, Socket, Data} -> received(Socket, Left - iolist_size(Data), Messages + 1) end.
