%% The last orders, oldest dropped first. It opens with a past, so that reports cost the same from the start.
-module(shop_ledger).
-behaviour(gen_server).
-export([start_link/0, record/1, all/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(KEPT, 12000).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

record(Order) -> gen_server:call(?MODULE, {record, Order}).

all() -> ets:tab2list(?MODULE).

init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, protected, {read_concurrency, true}]),
    true = ets:insert(?MODULE, [past_order(Id) || Id <- lists:seq(1, ?KEPT)]),
    {ok, ?KEPT + 1}.

handle_call({record, Order}, _From, Id) ->
    true = ets:insert(?MODULE, {Id, erlang:system_time(second), Order}),
    true = ets:delete(?MODULE, Id - ?KEPT),
    {reply, Id, Id + 1}.

handle_cast(_Unknown, Id) -> {noreply, Id}.

past_order(Id) ->
    Items = [{shop_catalogue:lookup(1 + (Id * 7 + K * 13) rem shop_catalogue:size()), K} || K <- lists:seq(1, 1 + Id rem 4)],
    Total = lists:sum([Price * Quantity || {#{price := Price}, Quantity} <- Items]),
    {Id, erlang:system_time(second) - Id, #{customer => 1 + Id rem 40, items => Items, total => Total}}.
