%% Terms of every kind, told by the VM itself. One process has TERMS=2000 of them in its mailbox, another one has
%% them in a mailbox off its heap; after `stop` one line for each, in the order of the mailbox:
%%   index=N text=HEX
%% The text is what io_lib:format("~0tp") makes of the term, as hexadecimal UTF-8. The terms follow from SEED=1.
%% A third process is sensitive, a fourth one has what behaviours send each other.
-module(terms).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, term/1, text/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Count = workload:env_int("TERMS", 2000),
    _ = rand:seed(exsss, {workload:env_int("SEED", 1), 2, 3}),
    Terms = fixed() ++ records() ++ [term(4) || _ <- lists:seq(1, Count)],
    {[{terms, length(Terms)}], Terms}.

start(Terms) ->
    Keeper = keeper(terms_on_heap, []),
    Far = keeper(terms_off_heap, [{message_queue_data, off_heap}]),
    _ = [To ! Term || Term <- Terms, To <- [Keeper, Far]],
    Hidden = keeper(terms_sensitive, []),
    Hidden ! be_sensitive,
    Hidden ! {secret, <<"do not tell">>},
    Shapes = keeper(terms_shapes, []),
    _ = [Shapes ! Message || Message <- shapes()],
    _ = [workload:rest(Pid) || Pid <- [Keeper, Far, Hidden, Shapes]],
    {[], Terms}.

keeper(Name, Options) ->
    Self = self(),
    Pid = spawn_opt(fun() -> register(Name, self()), put(a_key, 1), Self ! {ready, self()}, keep() end, Options),
    receive {ready, Pid} -> Pid end.

keep() ->
    receive
        be_sensitive -> process_flag(sensitive, true), keep();
        {stop, terms} -> ok
    end.

shapes() ->
    Ref = make_ref(),
    [{'$gen_call', {self(), [alias | Ref]}, {get, <<1, 2, 3>>}}, {'$gen_cast', {put, secret, 12.5}}, lone,
     {tag, [1, 2, 3], #{a => b}, "text", {}, []}, 17, <<1:3>>, {'$gen_cast', {put, hidden, 1.0}}].

stop(Terms) ->
    {[[{index, I}, {text, hex(text(T))}] || {I, T} <- lists:zip(lists:seq(1, length(Terms)), Terms)], []}.

text(Term) -> unicode:characters_to_binary(io_lib:format("~0tp", [Term])).

%% What chance would not find.
fixed() ->
    Big = 1 bsl 64,
    [[], {}, #{}, <<>>, "", '', 0, -1, 1 bsl 59 - 1, 1 bsl 59, -(1 bsl 59), -(1 bsl 59) - 1, Big, -Big, Big - 1,
     1 bsl 4000 + 12345, -(3 bsl 777), 0.0, -0.0, 1.0, 1.0e22, 1.0e23, 5.0e-324, 1.7976931348623157e308,
     9007199254740992.0, 9007199254740993.0, 123456789012345680.0, 0.1, 1.0e-5, 1000.0, 12345.0, 1.0e5,
     true, nil, 'hello world', 'Ærø', 'été', 'αβγ', '日本', 'it\'s', '\n\e\d', 'after', 'a@b', 'A', '_x', '1a',
     "text", "línea\n\"quoted\"\\", [955, 120], [1 | 2], [a, b | c], [[]], [[], {}], "tab\t\v\f\b\e", [127], [128],
     <<"text">>, <<"línea"/utf8>>, <<233>>, <<"caf", 233>>, <<208, 182>>, <<0, 1, 255>>, <<5:3>>, <<1, 2, 3:7>>, <<255:1>>,
     binary:copy(<<"x">>, 100), binary:copy(<<7>>, 300), binary:part(binary:copy(<<"abcdefghij">>, 20), 13, 50),
     bits(binary:copy(<<16#a5, 16#5a>>, 60), 13, 333), bits(<<16#deadbeef:32>>, 3, 17),
     bits(binary:copy(<<16#5a, 0>>, 60), 13, 160), appended(),
     self(), hd(erlang:ports()), lists:last(erlang:ports()), make_ref(), alias(), monitor(process, self()),
     atomics:new(1, []), ets:new(t, []), erlang:make_ref(),
     fun lists:map/2, fun ?MODULE:main/0, fun 'Odd mod':'x y'/3, fun 'a@b':f/0, fun() -> Big end, fun(X) -> {X, Big, self()} end,
     pid(0), pid(7), port(), ref(1), ref(3), ref(5), pid_here(),
     maps:from_list([{I, I * I} || I <- lists:seq(1, 32)]), maps:from_list([{I, I} || I <- lists:seq(1, 33)]),
     maps:from_list([{{I, <<I>>}, [I]} || I <- lists:seq(1, 250)]), #{a => 1, "b" => 2, 3.0 => #{c => []}},
     maps:from_list([{I * 1.0, x} || I <- lists:seq(1, 40)]), lists:duplicate(300, a), lists:seq(1, 300)].

%% Native records came with OTP 29.
records() ->
    case list_to_integer(erlang:system_info(otp_release)) >= 29 of
        true ->
            {ok, Module, Code} = workload:compile_text(
                "-module(terms_record).\n"
                "-export([make/1]).\n"
                "-record #point{z = 1, y = 2, 'an x', empty = []}.\n"
                "-record #none{}.\n"
                "make(X) -> [#point{z = X, 'an x' = {X}}, #none{}, #{#none{} => #point{y = [X], 'an x' = #none{}}}].\n"),
            {module, Module} = code:load_binary(Module, "terms_record.erl", Code),
            Module:make(17);
        false ->
            []
    end.

bits(Bin, From, Size) -> <<_:From, Part:Size/bitstring, _/bitstring>> = Bin, Part.

%% A binary that has grown in place.
appended() -> lists:foldl(fun(I, Bin) -> <<Bin/binary, I>> end, <<>>, lists:seq(1, 200)).

%% Identities of other nodes come in the external term format: NEW_PID_EXT, V4_PORT_EXT, NEWER_REFERENCE_EXT.
node_name() -> <<119, 13, "other@nowhere">>.
pid(Serial) -> binary_to_term(<<131, 88, (node_name())/binary, 77:32, Serial:32, 5:32>>).
port() -> binary_to_term(<<131, 120, (node_name())/binary, 1234567890123:64, 5:32>>).
ref(Words) ->
    Numbers = << <<I:32>> || I <- lists:seq(1, Words) >>,
    binary_to_term(<<131, 90, Words:16, (node_name())/binary, 5:32, Numbers/binary>>).
%% Of a node that had this one's name before.
pid_here() ->
    Name = atom_to_binary(node(), utf8),
    binary_to_term(<<131, 88, 119, (byte_size(Name)), Name/binary, 77:32, 1:32, 99:32>>).

term(0) -> leaf(rand:uniform(15));
term(Depth) ->
    case rand:uniform(10) of
        1 -> list_to_tuple(terms(Depth));
        2 -> terms(Depth);
        3 -> terms(Depth) ++ leaf(rand:uniform(15));
        4 -> maps:from_list([{term(Depth - 1), term(Depth - 1)} || _ <- lists:seq(1, rand:uniform(5))]);
        5 when Depth > 3 -> maps:from_list([{term(0), leaf(1)} || _ <- lists:seq(1, 20 + rand:uniform(60))]);
        6 -> {leaf(3), term(Depth - 1)};
        7 -> Kept = term(Depth - 1), fun(X) -> {X, Kept} end;
        _ -> leaf(rand:uniform(15))
    end.

terms(Depth) -> [term(Depth - 1) || _ <- lists:seq(1, rand:uniform(5))].

leaf(1) -> rand:uniform(1000) - 500;
leaf(2) -> (rand:uniform(1 bsl 62) - 1 bsl 61) * rand:uniform(1 bsl rand:uniform(200));
leaf(3) -> lists:nth(rand:uniform(6), [ok, error, 'A b', undefined, 'naïve', 'λ']);
leaf(4) -> (rand:uniform() - 0.5) * math:pow(10, rand:uniform(40) - 20);
leaf(5) -> <<F/float>> = <<(rand:uniform(2046)):12, (rand:uniform(1 bsl 52) - 1):52>>, F;
leaf(6) -> no_text(rand:bytes(rand:uniform(20) - 1));
leaf(7) -> no_text(rand:bytes(64 + rand:uniform(100)));
leaf(8) -> binary:part(no_text(rand:bytes(70)), rand:uniform(60), rand:uniform(60));
leaf(9) -> bits(rand:bytes(100), rand:uniform(60), 8 * rand:uniform(25) + rand:uniform(7));
leaf(10) -> [31 + rand:uniform(95) || _ <- lists:seq(1, rand:uniform(10))];
leaf(11) -> list_to_binary([31 + rand:uniform(95) || _ <- lists:seq(1, rand:uniform(90))]);
leaf(12) -> make_ref();
leaf(13) -> unicode:characters_to_binary([159 + rand:uniform(96) || _ <- lists:seq(1, rand:uniform(9))]);
leaf(14) -> [];
leaf(15) -> self().

%% Releases differ in what bytes that are no UTF-8 print as when they begin like it.
no_text(Bytes) -> << <<0, Byte>> || <<Byte>> <= Bytes >>.

hex(Text) -> binary:encode_hex(Text).
