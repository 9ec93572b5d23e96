-module(shop_app).
-behaviour(application).
-export([start/2, stop/1]).

start(_Type, _Args) ->
    ok = shop_stats:new(),
    shop_sup:start_link().

stop(_State) -> ok.
