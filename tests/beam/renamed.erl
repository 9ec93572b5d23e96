%% Processes that rest while another one registers them and takes their names away, again and again: process I has
%% the name renamed_I or none. PROCESSES=200. After `stop` one line for each: pid=<0.N.S> name=renamed_I.
-module(renamed).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, rest/0]).

main() -> workload:run(?MODULE).

prepare() ->
    Named = [{list_to_atom("renamed_" ++ integer_to_list(I)), spawn(?MODULE, rest, [])}
             || I <- lists:seq(1, workload:env_int("PROCESSES", 200))],
    {[{processes, length(Named)}], Named}.

rest() -> receive never -> ok end.

start(Named) ->
    Starter = self(),
    %% Of two halves one has names while the other has none, so that memory changes hands.
    {One, Two} = lists:split(length(Named) div 2, Named),
    Renamer = spawn_link(fun() -> Starter ! begun, rename(One, Two) end),
    receive begun -> ok end,
    {[], {Renamer, Named}}.

rename(One, Two) ->
    _ = [register(Name, Pid) || {Name, Pid} <- One],
    _ = [unregister(Name) || {Name, _} <- One],
    receive {stop, From} -> From ! stopped
    after 0 -> rename(Two, One)
    end.

stop({Renamer, Named}) ->
    Renamer ! {stop, self()},
    receive stopped -> ok end,
    {[[{pid, Pid}, {name, Name}] || {Name, Pid} <- Named], [{processes, length(Named)}]}.
