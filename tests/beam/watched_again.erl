%% The part of `calls` that is loaded anew while it is watched.
-module(watched_again).
-export([times/2, again/1]).

times(0, Done) -> Done;
times(N, Done) ->
    Next = again(Done),
    times(N - 1, Next).

again(Done) -> Done + 1.
