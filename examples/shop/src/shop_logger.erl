%% Keeps the last lines in memory. It formats every event in full before it asks whether the level is wanted,
%% and packs its buffer now and then while the events pile up in the mailbox.
-module(shop_logger).
-behaviour(gen_server).
-export([start_link/0, debug/2, info/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(LEVEL, info).
-define(PACK_MS, 4000).
%% Beyond this the writers have to wait for the logger, or the mailbox would grow without end.
-define(LONG_QUEUE, 2000).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

debug(What, Data) -> log(debug, What, Data).

info(What, Data) -> log(info, What, Data).

log(Level, What, Data) ->
    Event = {log, Level, erlang:system_time(microsecond), self(), What, Data},
    case erlang:process_info(whereis(?MODULE), message_queue_len) of
        {message_queue_len, Length} when Length > ?LONG_QUEUE -> gen_server:call(?MODULE, Event, infinity);
        _ -> gen_server:cast(?MODULE, Event)
    end.

init([]) ->
    _ = timer:send_interval(?PACK_MS, pack),
    {ok, {[], <<>>}}.

handle_call(Event, _From, State) -> {reply, ok, write(Event, State)}.

handle_cast(Event, State) -> {noreply, write(Event, State)}.

handle_info(pack, {Lines, _Packed}) ->
    {noreply, {[], pack(Lines)}}.

write({log, Level, Time, From, What, Data}, {Lines, Packed}) ->
    Line = format_line(Level, Time, From, What, Data),
    shop_stats:count(log_lines),
    shop_stats:count(log_bytes, byte_size(Line)),
    case wanted(Level) of
        true -> {[Line | Lines], Packed};
        false -> {Lines, Packed}
    end.

wanted(Level) -> logger:compare_levels(Level, ?LEVEL) =/= lt.

format_line(Level, Time, From, What, Data) ->
    Stamp = calendar:system_time_to_rfc3339(Time, [{unit, microsecond}, {offset, "Z"}]),
    Text = io_lib:format("~s [~p] ~p ~p ~tp~n", [Stamp, Level, From, What, Data]),
    unicode:characters_to_binary(lists:flatten(Text)).

%% Compresses the same text several times over; nobody else gets a word in meanwhile.
pack(Lines) -> pack(iolist_to_binary(lists:reverse(Lines)), 4).

pack(Text, 1) -> zlib:gzip(Text);
pack(Text, Times) ->
    _ = zlib:gzip(Text),
    pack(Text, Times - 1).
