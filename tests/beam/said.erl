%% Messages between processes that are named `said_sender`, `said_receiver` and, with its mailbox off heap,
%% `said_off_heap`, each of them {said, N, Term}, and told by whoever got them: plain ones of every kind of term, as
%% copies and with literals in them; requests and replies to aliases; from timers; to oneself; some that are too large;
%% some with secrets in them, all of which have `sekrit` in their text; and to and from `said_sensitive`, which is
%% sensitive, and between two others, that nobody asks for, more of those. A line each:
%%   n=N class=whole|cut|masked words=N text=HEX
%% with what io:format("~0tp") makes of the message as it was received, and how many words it takes without literals.
-module(said).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Options = [{said_receiver, []}, {said_off_heap, [{message_queue_data, off_heap}]}],
    _ = [register(Name, spawn_opt(fun() -> receiver([]) end, [link | More])) || {Name, More} <- Options],
    register(said_sensitive, spawn_link(fun() -> process_flag(sensitive, true), sensitive() end)),
    register(said_sender, spawn_link(fun() -> receive {go, From} -> From ! {done, keep(send())} end,
                                              receive never -> ok end end)),
    {[], []}.

start(_) ->
    said_sender ! {go, self()},
    {[], []}.

stop(_) ->
    Kept = receive {done, Messages} -> Messages end,
    Received = [got(Name) || Name <- [said_receiver, said_off_heap]],
    {[line(Message) || Message <- lists:append([Kept | Received])], []}.

got(Name) ->
    Name ! {what, self()},
    receive {what, Name, Messages} -> Messages end.

line(Message) ->
    {said, N, Term} = said(Message),
    [{n, N}, {class, class(Term)}, {words, erts_debug:flat_size(Message)}, {text, hex(text(Message))}].

hex(Text) -> [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Text].

said({said, _, _} = Message) -> Message;
said({'$gen_call', _, Message}) -> Message;
said({[alias | _], Message}) -> Message;
said({timeout, _, Message}) -> Message.

text(Message) -> unicode:characters_to_binary(io_lib:format("~0tp", [Message])).

class({cut, _}) -> cut;
class({mask, _}) -> masked;
class(_) -> whole.

receiver(Got) ->
    receive
        {what, From} ->
            {registered_name, Name} = process_info(self(), registered_name),
            From ! {what, Name, lists:reverse(timers(Name, Got))};
        {'$gen_call', {_, [alias | Alias] = Tag}, {said, N, Term}} = Message ->
            Alias ! {Tag, {said, N + 1000, Term}},
            receiver([Message | Got]);
        Message ->
            receiver([Message | Got])
    end.

%% Timers may be late.
timers(said_off_heap, Got) -> Got;
timers(said_receiver, Got) ->
    case length([N || Message <- Got, {said, N, _} <- [said(Message)], N =:= 501 orelse N =:= 502]) of
        2 -> Got;
        _ -> receive Message -> timers(said_receiver, [Message | Got]) end
    end.

sensitive() ->
    receive {From, N} -> From ! {said, N, {reply, secret(N)}}; _ -> ok end,
    sensitive().

%% What is left in the mailbox.
keep(Got) -> receive {said, _, _} = Message -> keep([Message | Got]) after 0 -> lists:reverse(Got) end.

send() ->
    _ = [To ! {said, N, Term} || {N, Term} <- numbered(0, terms()), To <- [said_receiver, said_off_heap]],
    %% The same from the heap, where nothing is a literal.
    _ = [To ! {said, N, copy(Term)} || {N, Term} <- numbered(100, terms()), To <- [said_receiver, said_off_heap]],
    _ = [said_receiver ! {said, N, Term} || {N, Term} <- numbered(200, secrets())],
    _ = [said_off_heap ! {said, N, copy(Term)} || {N, Term} <- numbered(300, secrets())],
    Calls = numbered(400, [{get, 1}, copy({"abc", <<"d">>, [e]})]) ++ numbered(450, secrets()),
    Replies = [call(N, Term) || {N, Term} <- Calls],
    self() ! {said, 500, copy({to, "myself"})},
    _ = erlang:send_after(0, whereis(said_receiver), {said, 501, copy({from, "a timer"})}),
    _ = erlang:start_timer(0, whereis(said_receiver), {said, 502, copy({from, "a timer"})}),
    _ = [begin
             said_sensitive ! {said, N, {to, secret(N)}},
             said_sensitive ! {self(), N + 1},
             receive {said, M, {reply, _}} when M =:= N + 1 -> ok end
         end || N <- lists:seq(600, 640, 2)],
    One = spawn_link(fun() -> receive never -> ok end end),
    {_, Monitor} = spawn_monitor(fun() -> One ! {said, 700, {to, <<"sekrit of nobody">>}} end),
    receive {'DOWN', Monitor, process, _, _} -> Replies end.

call(N, Term) ->
    Server = whereis(said_receiver),
    Alias = monitor(process, Server, [{alias, reply_demonitor}]),
    Server ! {'$gen_call', {self(), [alias | Alias]}, {said, N, Term}},
    receive {[alias | Alias], {said, _, _}} = Reply -> Reply end.

numbered(From, Terms) -> lists:zip(lists:seq(From, From + length(Terms) - 1), Terms).

%% On a heap of its own.
copy(Term) -> binary_to_term(term_to_binary(Term)).

terms() ->
    [ok, 'an atom', 0, -7, 1 bsl 59, 1 bsl 70, -(1 bsl 200), 1.5, self(), make_ref(),
     {}, {a}, {a, {b, {c, [d, e]}}}, [], [1], [1, 2, 3], "a string", "with \"quotes\" and \n", [a, "b", <<"c">>],
     [a | b], ["x" | {y}], [[], [[]], [[], []]], <<>>, <<"binary">>, <<"wörld/"/utf8>>, <<1, 2, 3>>, <<5:3>>, <<255, 255:9>>,
     #{}, #{a => 1}, #{a => 1, b => #{c => "d"}, "e" => {f}}, [{user, "joe"}, {age, 40}],
     maps:from_list([{N, N * N} || N <- lists:seq(1, 40)]),
     {user, <<"joe">>, [{role, admin}, {groups, ["a", "b"]}], #{since => {2024, 1, 2}}},
     {cut, lists:seq(1, 5000)}, {cut, binary:copy(<<"x">>, 5000)}, {cut, lists:duplicate(3000, $y)},
     {cut, fun() -> ok end}].

secret(N) -> list_to_binary(["sekrit", integer_to_list(N)]).

secrets() ->
    S = "sekrit string",
    B = <<"sekrit binary">>,
    [{mask, {password, S}}, {mask, [{passwd, S}, {user, "joe"}]}, {mask, #{token => B}}, {mask, #{<<"secret">> => S}},
     {mask, #{"Authorization" => ["Bearer ", S]}}, {mask, {<<"Cookie">>, B}}, {mask, [#{api_key => #{deep => {S, B}}}]},
     {mask, {private_key, B}}, {mask, <<"GET / HTTP/1.1\r\nAuthorization: Basic sekrit\r\n">>}, {mask, "password=sekrit"},
     {mask, {login, password, S}}, {mask, [secret, S]}, {mask, [token | S]}, {mask, #{'PASSWORD' => sekrit_atom}},
     {mask, {a, [b, {c, #{d => [{<<"X-Api-Key">>, B}]}}]}}, {mask, ["Authorization: ", "Basic ", B]},
     {mask, maps:from_list([{password, S} | [{N, N} || N <- lists:seq(1, 40)]])}, {mask, #{card_no => S}},
     {mask, [{<<"access_token">>, B}, {"refreshToken", S}]}].
