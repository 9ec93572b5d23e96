%% The daily figures, which somebody wanted once a second. Nothing is kept from one report to the next.
-module(shop_report).
-behaviour(gen_server).
-export([start_link/0, latest/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(EVERY_MS, 1000).
-define(BUCKETS, 100).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

latest() -> gen_server:call(?MODULE, latest, 30000).

init([]) ->
    _ = timer:send_interval(?EVERY_MS, build),
    {ok, none}.

handle_call(latest, _From, Report) -> {reply, Report, Report}.

handle_cast(_Unknown, Report) -> {noreply, Report}.

handle_info(build, _Previous) ->
    Report = build(shop_ledger:all()),
    shop_logger:info(report, Report),
    shop_stats:count(reports),
    {noreply, Report}.

build(Orders) ->
    Lines = order_lines(Orders),
    #{orders => length(Orders),
      turnover => turnover(Orders),
      best_sellers => best_sellers(Lines),
      best_customers => best_customers(Orders),
      median => median([Total || {_, _, #{total := Total}} <- Orders]),
      page => byte_size(page(Orders))}.

order_lines(Orders) ->
    lists:append([[{Id, Product, Quantity} || {Product, Quantity} <- Items] || {Id, _, #{items := Items}} <- Orders]).

%% Not tail recursive, twice: over the buckets and over the orders in each.
turnover(Orders) -> sum_buckets(0, Orders).

sum_buckets(?BUCKETS, _Orders) -> [];
sum_buckets(N, Orders) ->
    %% Each bucket goes through all orders again.
    Sum = sum_orders([Order || {Id, _, _} = Order <- Orders, Id rem ?BUCKETS =:= N]),
    [{N, Sum} | sum_buckets(N + 1, Orders)].

sum_orders([]) -> 0;
sum_orders([{_, _, #{items := Items}} | Orders]) -> sum_items(Items) + sum_orders(Orders).

sum_items([]) -> 0;
sum_items([{#{price := Price}, Quantity} | Items]) -> Price * Quantity + sum_items(Items).

best_sellers(Lines) ->
    Sold = lists:foldl(fun({_, #{title := Title}, Quantity}, Sums) ->
        maps:update_with(Title, fun(N) -> N + Quantity end, Quantity, Sums)
    end, #{}, Lines),
    lists:sublist(lists:reverse(lists:keysort(2, maps:to_list(Sold))), 10).

%% Groups by appending to the end of lists.
best_customers(Orders) ->
    Groups = lists:foldl(fun({_, _, #{customer := Customer, total := Total}}, Sums) ->
        maps:update_with(Customer, fun(Totals) -> Totals ++ [Total] end, [Total], Sums)
    end, #{}, Orders),
    lists:sublist(lists:sort(fun({_, A}, {_, B}) -> lists:sum(A) >= lists:sum(B) end, maps:to_list(Groups)), 3).

median(Totals) -> lists:nth(1 + length(Totals) div 2, lists:sort(fun(A, B) -> A =< B end, Totals)).

page(Orders) ->
    Rows = [io_lib:format("~8b ~6b ~10.2f~n", [Id, length(Items), Total / 100])
            || {Id, _, #{items := Items, total := Total}} <- lists:keysort(2, Orders)],
    unicode:characters_to_binary(Rows).
