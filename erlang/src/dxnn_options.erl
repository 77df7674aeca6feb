%% dxnn-train's command line and environment.
-module(dxnn_options).
-export([parse/1, stalled_after_seconds/0, run/0, backup/0, begins_anew/0]).
-export_type([options/0, expressions/0]).

%% What the user typed, and what it was parsed to.
-type expressions() :: {string(), erl_parse:abstract_expr()}.
%% `startup` is `described` where it is left to the trainer's description.
-type options() :: #{
    experiment := atom(), startup := [expressions()] | described, start := expressions() | none
}.

-define(STALLED_AFTER_SECONDS, 1800).

%% Reads the arguments, of which the experiment may stand in $DXNN_JOB_ID instead. Throws
%% {refused, 2, Sentence}.
-spec parse([string()]) -> options() | help.
parse(Arguments) ->
    case options(Arguments, #{startup => described, start => none}) of
        help -> help;
        Options -> Options#{experiment => experiment(Options)}
    end.

options([], Options) ->
    Options;
options([Help | _], _Options) when Help =:= "--help"; Help =:= "-h" ->
    help;
options(["--experiment", Id | Rest], Options) ->
    options(Rest, Options#{experiment => Id});
options(["--startup", "" | Rest], #{startup := described} = Options) ->
    options(Rest, Options#{startup => []});
options(["--startup", Text | Rest], #{startup := described} = Options) ->
    options(Rest, Options#{startup => [expressions("--startup", Text)]});
options(["--startup", Text | Rest], #{startup := Before} = Options) ->
    options(Rest, Options#{startup => Before ++ [expressions("--startup", Text)]});
options(["--start", Text | Rest], Options) ->
    options(Rest, Options#{start => expressions("--start", Text)});
options([Option], _Options) when
    Option =:= "--experiment"; Option =:= "--startup"; Option =:= "--start"
->
    refuse("~ts wants a value; see --help", [Option]);
options([Other | _], _Options) ->
    refuse("unknown argument ~ts; see --help", [Other]).

experiment(Options) ->
    case maps:get(experiment, Options, os:getenv("DXNN_JOB_ID", "")) of
        "" -> refuse("which experiment? give --experiment ID or set DXNN_JOB_ID", []);
        Id when length(Id) > 255 -> refuse("the experiment's name is longer than 255", []);
        Id -> list_to_atom(Id)
    end.

-spec expressions(string(), string()) -> expressions().
expressions(Option, Text) ->
    case erl_scan:string(string:trim(Text, trailing, ". \t\n") ++ ".") of
        {ok, Tokens, _} ->
            case erl_parse:parse_exprs(Tokens) of
                {ok, Expressions} ->
                    {Text, Expressions};
                {error, {_, Module, Why}} ->
                    refuse("~ts \"~ts\": ~ts", [Option, Text, Module:format_error(Why)])
            end;
        {error, {_, Module, Why}, _} ->
            refuse("~ts \"~ts\": ~ts", [Option, Text, Module:format_error(Why)])
    end.

%% After how many seconds without progress a trainer has failed; 0: never.
-spec stalled_after_seconds() -> number().
stalled_after_seconds() ->
    case os:getenv("DXNN_STALLED_AFTER_SECONDS", "") of
        "" ->
            ?STALLED_AFTER_SECONDS;
        Text ->
            case string:to_integer(Text) of
                {Seconds, ""} when Seconds >= 0 -> Seconds;
                _ -> refuse("DXNN_STALLED_AFTER_SECONDS is \"~ts\", not a whole number", [Text])
            end
    end.

%% The run that this machine's training belongs to; empty where nobody says.
-spec run() -> string().
run() ->
    os:getenv("DXNN_RUN_ID", "").

%% Whether the run in progress is to begin anew, since others stood still with its population.
-spec begins_anew() -> boolean().
begins_anew() ->
    os:getenv("DXNN_BEGIN_RUN_ANEW", "") =:= "true".

-spec backup() -> file:filename() | none.
backup() ->
    case os:getenv("DXNN_RESTORE_PATH", "") of
        "" ->
            none;
        Path ->
            filelib:is_regular(Path) orelse
                refuse("DXNN_RESTORE_PATH is ~ts, which is not a file", [Path]),
            Path
    end.

-spec refuse(io:format(), [term()]) -> no_return().
refuse(Format, Arguments) ->
    throw({refused, 2, io_lib:format(Format, Arguments)}).
