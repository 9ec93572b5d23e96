%% Terms of all kinds at all places that a process may have them, and what others made of them: each round TERMS=40
%% terms for each of the keepers below, which follow from SEED=1.
%%   ready folder=DIR keepers=NAME,NAME,...   where files with the answers are expected
%%   counted terms=N texts=N elixir=N wrong=N first=HEX
%%                                            what of the round before was right; the next round is built
%% An answer is a file DIR/KEEPER of pieces <<Index:32, Kind, Size:32, Bytes:Size/binary>>: kind 0 is the term in the external
%% term format, 1 Erlang's text of it, 2 Elixir's. Texts are expected of terms that are data, of up to TEXT_MAX bytes of
%% external format; with Elixir where it is installed, as ELIXIR=/usr/lib/elixir/lib/elixir/ebin has it.
%% Keepers in dictionaries: rebuilt_young on the young heap, rebuilt_old on the old one, rebuilt_literal off any heap; key
%% {kept, Index}. In mailboxes: rebuilt_on_heap, rebuilt_off_heap; messages {kept, Index, Term}.
-module(rebuilt).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).

-define(KEEPERS, [rebuilt_young, rebuilt_old, rebuilt_literal, rebuilt_on_heap, rebuilt_off_heap]).
-define(ETF, 0).
-define(ERLANG, 1).
-define(ELIXIR, 2).
-define(TEXT_MAX, 20000).

main() -> workload:run(?MODULE).

prepare() ->
    Folder = filename:join("/tmp", "escope-rebuilt-" ++ os:getpid()),
    ok = file:make_dir(Folder),
    Elixir = elixir(),
    Keepers = [{Name, keeper(Name, Folder, Elixir)} || Name <- ?KEEPERS],
    Names = lists:join($,, [atom_to_list(Name) || Name <- ?KEEPERS]),
    {[{folder, Folder}, {keepers, Names}, {elixir, Elixir}], {Folder, Keepers}}.

start({_, Keepers} = State) ->
    put(round, 1),
    build(Keepers, 1),
    {[], State}.

count({_, Keepers}) ->
    Told = [ask(Pid, check) || {_, Pid} <- Keepers],
    Round = get(round) + 1,
    put(round, Round),
    build(Keepers, Round),
    Sum = fun(At) -> lists:sum([element(At, One) || One <- Told]) end,
    Wrong = lists:append([element(4, One) || One <- Told]),
    First = binary:encode_hex(iolist_to_binary(lists:join($\n, lists:sublist(Wrong, 12)))),
    [{terms, Sum(1)}, {texts, Sum(2)}, {elixir, Sum(3)}, {wrong, length(Wrong)}, {first, First}].

stop({Folder, _}) ->
    _ = [file:delete(filename:join(Folder, Name)) || Name <- ?KEEPERS],
    _ = file:del_dir(Folder),
    {[], []}.

%% Whether Elixir is there to read its text.
elixir() ->
    case code:add_patha(os:getenv("ELIXIR", "/usr/lib/elixir/lib/elixir/ebin")) of
        true -> try application:ensure_all_started(elixir) of {ok, _} -> true; _ -> false catch _:_ -> false end;
        {error, _} -> false
    end.

build(Keepers, Round) ->
    Count = workload:env_int("TERMS", 40),
    Seed = {workload:env_int("SEED", 1), Round, 7},
    _ = [build(Name, Pid, Count, Seed, Round) || {Name, Pid} <- Keepers],
    _ = [workload:rest(Pid) || {_, Pid} <- Keepers],
    ok.

build(Name, Pid, Count, Seed, Round) when Name =:= rebuilt_on_heap; Name =:= rebuilt_off_heap ->
    Terms = terms(Name, Count, Seed, Round),
    _ = [Pid ! {kept, I, Term} || {I, Term} <- Terms],
    ok = ask(Pid, {keep, length(Terms)});
build(_, Pid, Count, Seed, Round) ->
    ok = ask(Pid, {build, Count, Seed, Round}).

ask(Pid, What) ->
    Ref = make_ref(),
    Pid ! {ask, self(), Ref, What},
    receive {Ref, Answer} -> Answer end.

keeper(Name, Folder, Elixir) ->
    Options = case Name of
        rebuilt_off_heap -> [{message_queue_data, off_heap}];
        _ -> [{message_queue_data, on_heap}]
    end,
    Self = self(),
    Pid = spawn_opt(fun() ->
        register(Name, self()),
        Self ! {ready, self()},
        keep(Name, filename:join(Folder, Name), Elixir, 0)
    end, [link | Options]),
    receive {ready, Pid} -> Pid end.

%% The terms stay where they are until they are compared.
keep(Name, File, Elixir, Kept) ->
    receive
        {ask, From, Ref, {keep, Count}} ->
            From ! {Ref, ok},
            keep(Name, File, Elixir, Count);
        {ask, From, Ref, {build, Count, Seed, Round}} ->
            Terms = terms(Name, Count, Seed, Round),
            _ = [put({kept, I}, place(Name, I, Term)) || {I, Term} <- Terms],
            settle(Name),
            From ! {Ref, ok},
            keep(Name, File, Elixir, length(Terms));
        {ask, From, Ref, check} ->
            {ok, Bytes} = file:read_file(File),
            Told = maps:from_list(pieces(Bytes)),
            Answers = [compare(Name, I, kept(Name, I), Told, Elixir) || I <- lists:seq(1, Kept)],
            Count = fun(Key) -> length([x || {Counted, _} <- Answers, Each <- Counted, Each =:= Key]) end,
            From ! {Ref, {Kept, Count(text), Count(elixir), lists:append([Wrong || {_, Wrong} <- Answers])}},
            keep(Name, File, Elixir, 0)
    end.

%% Literals of a module and persistent terms both lie outside of all heaps.
place(rebuilt_literal, I, Term) ->
    persistent_term:put({?MODULE, I}, Term),
    persistent_term:get({?MODULE, I});
place(_, _, Term) -> Term.

%% What has survived two collections is on the old heap.
settle(rebuilt_old) ->
    erlang:garbage_collect(),
    _ = [erlang:garbage_collect(self(), [{type, minor}]) || _ <- [1, 2]],
    ok;
settle(_) -> ok.

kept(Name, I) when Name =:= rebuilt_on_heap; Name =:= rebuilt_off_heap ->
    receive {kept, I, Term} -> Term end;
kept(_, I) -> erase({kept, I}).

%% Not by a size within the pattern: OTP 29 does not load what the compiler of OTP 25 makes of that.
pieces(<<Index:32, Kind, Size:32, Rest/binary>>) ->
    {Bytes, More} = split_binary(Rest, Size),
    [{{Index, Kind}, Bytes} | pieces(More)];
pieces(<<>>) -> [].

compare(Name, I, Term, Told, Elixir) ->
    External = term_to_binary(Term),
    IsData = is_data(Term) andalso byte_size(External) =< ?TEXT_MAX,
    Back = fun(Bytes) -> {binary_to_term(Bytes)} end,
    Checks = [{term, ?ETF, true, Back}, {text, ?ERLANG, IsData, fun erlang_text/1},
              {elixir, ?ELIXIR, IsData andalso Elixir, fun elixir_text/1}],
    Wrong = [io_lib:format("~s ~b ~s: ~ts of ~0tP", [Name, I, What, Why, Term, 60])
             || {What, Kind, true, Read} <- Checks, Why <- differs(Term, External, maps:find({I, Kind}, Told), Read)],
    {[What || {What, _, true, _} <- Checks], [unicode:characters_to_binary(string:slice(One, 0, 400)) || One <- Wrong]}.

differs(_, _, error, _) -> ["no answer"];
differs(Term, External, {ok, Bytes}, Read) ->
    try Read(Bytes) of
        %% The second one tells 0.0 from -0.0 in releases where they are equal.
        {Term} = {Back} -> [["written another way: ", part(Bytes)] || term_to_binary(Back) =/= External];
        {Other} -> [io_lib:format("another term: ~0tP ~ts", [Other, 60, part(Bytes)])];
        Error -> [io_lib:format("not read: ~0tP ~ts", [Error, 60, part(Bytes)])]
    catch
        _:Reason -> [io_lib:format("not read: ~0tP ~ts", [Reason, 60, part(Bytes)])]
    end.

part(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        Text when is_list(Text), hd(Text) =/= 131 -> lists:sublist(Text, 400);
        _ -> binary_to_list(binary:encode_hex(binary:part(Bytes, 0, min(200, byte_size(Bytes)))))
    end.

erlang_text(Bytes) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Bytes) ++ "."),
    case erl_parse:parse_term(Tokens) of
        {ok, Term} -> {Term};
        Error -> Error
    end.

elixir_text(Bytes) ->
    {Term, _} = 'Elixir.Code':eval_string(Bytes),
    {Term}.

%% Whether text can say it: no identities, no funs but those that are named, no native records.
is_data([Head | Tail]) -> is_data(Head) andalso is_data(Tail);
is_data(Tuple) when is_tuple(Tuple) -> is_data(tuple_to_list(Tuple));
is_data(Map) when is_map(Map) -> is_data(maps:to_list(Map));
is_data(Fun) when is_function(Fun) -> erlang:fun_info(Fun, type) =:= {type, external};
is_data(Term) -> is_number(Term) orelse is_atom(Term) orelse is_bitstring(Term) orelse Term =:= [].

%% The first ones are what chance would not find.
terms(Name, Count, {A, B, C}, Round) ->
    _ = rand:seed(exsss, {A, B, C + erlang:phash2(Name)}),
    Fixed = case Round of 1 -> fixed() ++ literals() ++ records(); _ -> [] end,
    lists:zip(lists:seq(1, length(Fixed) + Count), Fixed ++ [any(I) || I <- lists:seq(1, Count)]).

fixed() ->
    Big = 1 bsl 64,
    Long = binary:copy(<<16#a5, 16#5a>>, 60),
    [[], {}, #{}, <<>>, 0, -1, 255, 256, 1 bsl 31 - 1, 1 bsl 31, -(1 bsl 31), -(1 bsl 31) - 1, 1 bsl 59 - 1, 1 bsl 59,
     -(1 bsl 59), -(1 bsl 59) - 1, Big, -Big, Big - 1, 1 bsl 2040 - 1, 1 bsl 2040, -(1 bsl 4000 + 12345),
     0.0, -0.0, [0.0 | -0.0], 1.0, -1.5, 5.0e-324, 1.7976931348623157e308, 9007199254740993.0, 0.1, 1.0e22, 1.0e-5,
     '', true, false, nil, 'Elixir', 'Elixir.Enum', 'Elixir.A.B', 'Elixir.a', 'Elixir.', 'Elixir.A.', 'hello world', 'é',
     '日本', 'it\'s', 'say "it"', '\n\e\d\x00', 'after', 'maybe', 'else', 'do', 'end', 'not', 'when', 'fn', '+', '!=', '..', '{}', '<<>>', '%{}', '%',
     'a?', 'b!', 'c@d', '_x', 'A', '1a', '#{x}', 'a.b', list_to_atom(lists:duplicate(255, $x)),
     "text", "línea \"quoted\" \\ #{x}", [955, 120], [0, 127, 128, 255], [1 | 2], [a, b | c], [[]], [{a, 1}, {'b c', 2}], [{'Elixir.A', 1}],
     [{a, 1}, {b, 2} | c], [{nil, 1}, {true, 2}],
     <<"text">>, <<"línea \"q\" \\ #{x} \n\e\a\d"/utf8>>, <<"日本"/utf8>>, <<233>>, <<"caf", 233>>, <<0, 1, 255>>, <<0>>, <<16#202e/utf8, "x">>,
     <<16#2028/utf8>>, <<16#feff/utf8>>, <<16#fffe/utf8>>, <<5:3>>, <<1, 2, 3:7>>, <<255:1>>, <<0:1>>,
     binary:copy(<<"x">>, 100), binary:part(binary:copy(<<"abcdefghij">>, 20), 13, 50), bits(Long, 13, 333), bits(Long, 8, 801),
     bits(Long, 3, 160), bits(<<16#deadbeef:32>>, 3, 17), appended(), binary:part(appended(), 3, 150),
     %% Elixir reads no atom of more bytes than 255: not as data.
     {self(), list_to_atom(lists:duplicate(255, 16#10348))},
     self(), hd(erlang:ports()), lists:last(erlang:ports()), make_ref(), alias(), monitor(process, self()),
     atomics:new(1, []), ets:new(t, []), pid(0), pid(7), port(), port(3), ref(1), ref(3), ref(5), pid_here(),
     fun lists:map/2, fun ?MODULE:main/0, fun 'Odd mod':'x y'/3, fun 'Elixir.Enum':map/2, fun 'Elixir.Enum':'at!'/255, fun erlang:'+'/2,
     fun() -> Big end, fun(X) -> {X, Big, self()} end, fun erlang_text/1, fun(X, Y) -> X + Y + size(Long) end,
     maps:from_list([{I, I * I} || I <- lists:seq(1, 32)]), maps:from_list([{I, I} || I <- lists:seq(1, 33)]),
     maps:from_list([{{I, <<I>>}, [I]} || I <- lists:seq(1, 250)]), #{a => 1, b => #{'c d' => [], nil => 2}},
     #{'__struct__' => 'Elixir.User', name => <<"x">>, age => 3}, #{'Elixir.A' => 1}, #{a => 1, "b" => 2, 3.0 => x, <<"k">> => y},
     maps:from_list([{I * 1.0, x} || I <- lists:seq(1, 40)]), list_to_tuple(lists:seq(1, 300)), lists:duplicate(300, a), nested(150)].

%% Constants of a module that was compiled now.
literals() ->
    Terms = [{"a", <<"b">>, #{c => [1.5, {}]}}, lists:seq(1, 70), binary:copy(<<"lit">>, 90), <<1:1>>, 1 bsl 90,
             maps:from_list([{I, {I}} || I <- lists:seq(1, 100)]), fun lists:map/2],
    Form = fun(I, Term) -> {function, 1, list_to_atom("f" ++ integer_to_list(I)), 0, [{clause, 1, [], [], [abstract(Term)]}]} end,
    Functions = [Form(I, Term) || {I, Term} <- lists:zip(lists:seq(1, length(Terms)), Terms)],
    Forms = [{attribute, 1, module, rebuilt_literals}, {attribute, 1, export, [{F, 0} || {function, _, F, 0, _} <- Functions]} | Functions],
    {ok, Module, Code} = compile:forms(Forms),
    case code:is_loaded(Module) of
        false -> {module, Module} = code:load_binary(Module, "rebuilt_literals.erl", Code);
        _ -> ok
    end,
    [Module:F() || {F, 0} <- Module:module_info(exports), F =/= module_info].

abstract(Fun) when is_function(Fun) ->
    [{_, M}, {_, F}, {_, A}] = [erlang:fun_info(Fun, Key) || Key <- [module, name, arity]],
    {'fun', 1, {function, {atom, 1, M}, {atom, 1, F}, {integer, 1, A}}};
abstract(Term) -> erl_parse:abstract(Term).

%% Native records came with OTP 29.
records() ->
    case list_to_integer(erlang:system_info(otp_release)) >= 29 of
        true ->
            {ok, Module, Code} = workload:compile_text(
                "-module(rebuilt_record).\n"
                "-export([make/1]).\n"
                "-export_record([point]).\n"
                "-record #point{z = 1, y = 2, 'an x', empty = []}.\n"
                "-record #none{}.\n"
                "-record #hidden{b, a = 1}.\n"
                "make(X) -> [#point{z = X, 'an x' = {X}}, #none{}, #hidden{b = X}, #{#none{} => #point{y = [X], 'an x' = #hidden{b = a}}}].\n"),
            case code:is_loaded(Module) of
                false -> {module, Module} = code:load_binary(Module, "rebuilt_record.erl", Code);
                _ -> ok
            end,
            Module:make(17);
        false ->
            []
    end.

bits(Bin, From, Size) -> <<_:From, Part:Size/bitstring, _/bitstring>> = Bin, Part.

%% A binary that has grown in place.
appended() -> lists:foldl(fun(I, Bin) -> <<Bin/binary, I>> end, <<>>, lists:seq(1, 200)).

nested(0) -> <<"in">>;
nested(N) ->
    Inner = nested(N - 1),
    case N rem 4 of
        0 -> [Inner];
        1 -> {N, Inner};
        2 -> #{N => Inner};
        3 -> [N | {Inner}]
    end.

%% Identities of other nodes come in the external term format: NEW_PID_EXT, V4_PORT_EXT, NEWER_REFERENCE_EXT.
node_name() -> <<119, 13, "other@nowhere">>.
pid(Serial) -> binary_to_term(<<131, 88, (node_name())/binary, 77:32, Serial:32, 5:32>>).
port() -> port(1234567890123).
port(Number) -> binary_to_term(<<131, 120, (node_name())/binary, Number:64, 5:32>>).
ref(Words) ->
    Numbers = << <<I:32>> || I <- lists:seq(1, Words) >>,
    binary_to_term(<<131, 90, Words:16, (node_name())/binary, 5:32, Numbers/binary>>).
%% Of a node that had this one's name before.
pid_here() ->
    Name = atom_to_binary(node(), utf8),
    binary_to_term(<<131, 88, 119, (byte_size(Name)), Name/binary, 77:32, 1:32, 99:32>>).

%% Most are small; one in twenty has up to a megabyte.
any(I) when I rem 20 =:= 0 -> large(rand:uniform(8));
any(_) -> term(1 + rand:uniform(5)).

large(1) -> rand:bytes(rand:uniform(1 bsl rand:uniform(20)));
large(2) -> {binary:part(rand:bytes(1 bsl 19), rand:uniform(1 bsl 18), rand:uniform(1 bsl 18)), term(3)};
large(3) -> bits(rand:bytes(1 bsl 16), rand:uniform(2000), rand:uniform(500000));
large(4) -> [leaf() || _ <- lists:seq(1, rand:uniform(4000))];
large(5) -> maps:from_list([{leaf(), term(1)} || _ <- lists:seq(1, rand:uniform(3000))]);
large(6) -> list_to_tuple([rand:uniform(300) || _ <- lists:seq(1, rand:uniform(20000))]);
large(7) -> rand:uniform(1 bsl 60) bsl rand:uniform(1 bsl 18);
large(8) -> nested(rand:uniform(150)).

term(0) -> leaf();
term(Depth) ->
    case rand:uniform(11) of
        1 -> list_to_tuple(some(Depth));
        2 -> some(Depth);
        3 -> some(Depth) ++ leaf();
        4 -> maps:from_list([{term(Depth - 1), term(Depth - 1)} || _ <- lists:seq(1, rand:uniform(5))]);
        5 when Depth > 3 -> maps:from_list([{term(1), leaf()} || _ <- lists:seq(1, 20 + rand:uniform(80))]);
        6 -> maps:from_list([{atom(), term(Depth - 1)} || _ <- lists:seq(1, rand:uniform(6))]);
        7 -> Kept = term(Depth - 1), fun(X) -> {X, Kept} end;
        8 -> [{atom(), term(Depth - 1)} || _ <- lists:seq(1, rand:uniform(4))];
        9 -> Twice = term(Depth - 1), {Twice, [Twice]};
        _ -> leaf()
    end.

some(Depth) -> [term(Depth - 1) || _ <- lists:seq(1, rand:uniform(5))].

atom() -> lists:nth(rand:uniform(12), [ok, error, 'A b', undefined, 'naïve', 'λ', nil, true, 'Elixir.Foo', maybe_not, '$x', 'a\nb']).

leaf() -> leaf(rand:uniform(18)).

leaf(1) -> rand:uniform(1000) - 500;
leaf(2) -> (rand:uniform(1 bsl 62) - 1 bsl 61) * rand:uniform(1 bsl rand:uniform(200));
leaf(3) -> atom();
leaf(4) -> (rand:uniform() - 0.5) * math:pow(10, rand:uniform(40) - 20);
leaf(5) -> <<F/float>> = <<(rand:uniform(2) - 1):1, (rand:uniform(2046)):11, (rand:uniform(1 bsl 52) - 1):52>>, F;
leaf(6) -> rand:bytes(rand:uniform(20) - 1);
leaf(7) -> rand:bytes(64 + rand:uniform(100));
leaf(8) -> binary:part(rand:bytes(130), rand:uniform(60), rand:uniform(60));
leaf(9) -> bits(rand:bytes(100), rand:uniform(60), 8 * rand:uniform(25) + rand:uniform(7));
leaf(10) -> [31 + rand:uniform(95) || _ <- lists:seq(1, rand:uniform(10))];
leaf(11) -> list_to_binary([31 + rand:uniform(95) || _ <- lists:seq(1, rand:uniform(90))]);
leaf(12) -> make_ref();
leaf(13) -> unicode:characters_to_binary([character() || _ <- lists:seq(1, rand:uniform(9))]);
leaf(14) -> [];
leaf(15) -> self();
leaf(16) -> list_to_atom([character() || _ <- lists:seq(1, rand:uniform(6))]);
leaf(17) -> [character() || _ <- lists:seq(1, rand:uniform(9))];
leaf(18) -> lists:nth(rand:uniform(5), [pid(rand:uniform(99)), port(), ref(3), alias(), fun lists:map/2]).

%% Of any plane, but no surrogate.
character() ->
    case rand:uniform(5) of
        1 -> rand:uniform(128) - 1;
        2 -> rand:uniform(256) - 1;
        3 -> 16#1f00 + rand:uniform(16#1200);
        4 -> rand:uniform(16#d7ff);
        5 -> 16#dfff + rand:uniform(16#102000)
    end.
