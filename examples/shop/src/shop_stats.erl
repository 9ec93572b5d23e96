%% Counters that any process bumps without asking anybody.
-module(shop_stats).
-export([new/0, count/1, count/2, all/0]).

-define(KEYS, [visits, searches, hits, items_added, orders, refused, payments, reports, log_lines, log_bytes]).

new() -> persistent_term:put(?MODULE, counters:new(length(?KEYS), [write_concurrency])).

count(Key) -> count(Key, 1).

count(Key, N) -> counters:add(persistent_term:get(?MODULE), index(Key, ?KEYS, 1), N).

all() ->
    Ref = persistent_term:get(?MODULE),
    maps:from_list([{Key, counters:get(Ref, index(Key, ?KEYS, 1))} || Key <- ?KEYS]).

index(Key, [Key | _], N) -> N;
index(Key, [_ | Keys], N) -> index(Key, Keys, N + 1).
