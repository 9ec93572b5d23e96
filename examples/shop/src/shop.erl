%% The front door: `erl -noinput -pa EBIN -s shop main`.
-module(shop).
-export([main/0, stats/0]).

%% Prints one line when customers are being served. Runs until killed, or with SHOP_WAIT=stdin until stdin
%% closes or says `q`; the line `stats` then prints the counters.
-spec main() -> ok.
main() ->
    {ok, _} = application:ensure_all_started(shop, permanent),
    say(["shop ready pid=", os:getpid()]),
    case os:getenv("SHOP_WAIT") of
        "stdin" -> spawn(fun serve_stdin/0), ok;
        _ -> ok
    end.

%% What the shop has done since it opened.
-spec stats() -> #{atom() => non_neg_integer()}.
stats() -> shop_stats:all().

serve_stdin() ->
    %% The owner of stdin must not wait behind the customers.
    process_flag(priority, high),
    serve_stdin(open_port({fd, 0, 0}, [in, eof, binary, {line, 256}])).

serve_stdin(Stdin) ->
    receive
        {Stdin, eof} -> init:stop();
        {Stdin, {data, {_, <<"q">>}}} -> init:stop();
        {Stdin, {data, {_, <<"stats">>}}} ->
            say(["shop stats" | [io_lib:format(" ~s=~b", [Key, Count]) || {Key, Count} <- maps:to_list(stats())]]),
            serve_stdin(Stdin);
        {Stdin, {data, _}} -> serve_stdin(Stdin)
    end.

say(Text) -> io:put_chars(user, [Text, $\n]).
