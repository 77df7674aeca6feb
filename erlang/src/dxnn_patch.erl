%% dxnn-patch: adds completion_signal/0 to files.
-module(dxnn_patch).
-export([main/0, patch_file/1]).
-include_lib("kernel/include/file.hrl").

-define(HELP, <<
    "usage: dxnn-patch [--dry-run] FILE...\n"
    "\n"
    "Adds the function completion_signal/0 to a DXNN benchmarker.erl, exports it, and calls it\n"
    "in loop/2, right before report/2, where the experiment has completed. Every other byte of\n"
    "the file stays. A file that has been patched already stays as it is; so does one that is\n"
    "not recognised.\n"
    "\n"
    "  --dry-run  print what would change, change nothing\n"
    "  --help     this text\n"
    "\n"
    "Exit codes: 0 patched, now or before; 2 a file was refused, or usage.\n"
    "\n"
    "Example:\n"
    "  dxnn-patch --dry-run /opt/dxnn/benchmarker.erl\n"
>>).

%% The entry of bin/dxnn-patch.
-spec main() -> ok.
main() ->
    spawn(fun() -> halt(run(init:get_plain_arguments())) end),
    ok.

run(Arguments) ->
    case lists:partition(fun(Argument) -> lists:prefix("-", Argument) end, Arguments) of
        {[], [_ | _] = Files} -> all(Files, fun patch_file/1);
        {["--dry-run"], [_ | _] = Files} -> all(Files, fun preview/1);
        {[Help | _], _} when Help =:= "--help"; Help =:= "-h" ->
            io:put_chars(?HELP),
            0;
        {[Option | _], _} when Option =/= "--dry-run" ->
            complain(["unknown option ", Option, "; see --help"]);
        {_, []} ->
            complain("which file? dxnn-patch FILE; see --help")
    end.

all(Files, Action) ->
    lists:max([report(File, Action(File)) || File <- Files]).

report(File, {ok, What}) ->
    io:format("~ts: ~ts~n", [File, What]),
    0;
report(_File, {error, Sentence}) ->
    complain(Sentence).

complain(Sentence) ->
    io:format(standard_error, "dxnn-patch: ~ts~n", [Sentence]),
    2.

%% Patches the file in place, by way of a temporary file beside it and a rename; its mode and
%% owner stay. Answers what was done, or why the file was left as it is, in a sentence.
-spec patch_file(file:filename()) -> {ok, string()} | {error, string()}.
patch_file(Path) ->
    File = follow(Path),
    decide(File, fun(Encode, _Text, Edits, Patched) ->
        case replace(File, Encode(Patched)) of
            ok -> {ok, io_lib:format("patched in ~b places", [length(Edits)])};
            {error, Reason} -> failure(File, "cannot be written", Reason)
        end
    end).

preview(Path) ->
    decide(follow(Path), fun(_Encode, Text, Edits, _Patched) ->
        {ok, ["would change:\n" | [hunk(Text, Edit) || Edit <- Edits]]}
    end).

decide(File, Apply) ->
    case file:read_file(File) of
        {ok, Bytes} ->
            {Text, Encode} = decode(Bytes),
            case dxnn_patcher:patch(Text, addition()) of
                {patch, Edits, Patched} -> Apply(Encode, Text, Edits, Patched);
                already -> {ok, "patched already, nothing to do"};
                {refused, Line, Why} -> {error, io_lib:format("~ts:~b: ~ts", [File, Line, Why])}
            end;
        {error, Reason} ->
            failure(File, "cannot be read", Reason)
    end.

failure(File, What, Reason) ->
    {error, io_lib:format("~ts ~ts: ~ts", [File, What, file:format_error(Reason)])}.

%% UTF-8 where the bytes are that, else Latin-1: either way back, the bytes are the same.
decode(Bytes) ->
    case unicode:characters_to_list(Bytes, utf8) of
        Text when is_list(Text) -> {Text, fun unicode:characters_to_binary/1};
        _ -> {binary_to_list(Bytes), fun list_to_binary/1}
    end.

%% The text of completion_signal/0: the end of dxnn_completion.erl, which lies beside ebin/.
addition() ->
    Ebin = filename:dirname(code:which(?MODULE)),
    {ok, Bytes} = file:read_file(filename:join([Ebin, "..", "dxnn_completion.erl"])),
    tl(string:find(binary_to_list(Bytes), "\n" ++ dxnn_patcher:marker())).

follow(Path) ->
    case file:read_link(Path) of
        {ok, Target} -> follow(filename:join(filename:dirname(Path), Target));
        {error, _} -> Path
    end.

replace(File, Bytes) ->
    Temporary = File ++ ".dxnn-patch",
    Steps = [
        fun() -> file:write_file(Temporary, Bytes, [exclusive, sync]) end,
        fun() ->
            {ok, #file_info{mode = Mode, uid = Uid, gid = Gid}} = file:read_file_info(File),
            file:write_file_info(Temporary, #file_info{mode = Mode, uid = Uid, gid = Gid})
        end,
        fun() -> file:rename(Temporary, File) end
    ],
    Outcome = lists:foldl(
        fun
            (Step, ok) -> Step();
            (_Step, Error) -> Error
        end,
        ok,
        Steps
    ),
    Outcome =:= ok orelse file:delete(Temporary),
    Outcome.

%% The lines that an edit touches, before and after, as a unified diff shows them.
hunk(Text, {Offset, Inserted}) ->
    {Before, After} = lists:split(Offset, Text),
    Start = lists:reverse(lists:takewhile(fun(C) -> C =/= $\n end, lists:reverse(Before))),
    End = lists:takewhile(fun(C) -> C =/= $\n end, After),
    Old = Start ++ End,
    New = string:split(Start ++ Inserted ++ End, "\n", all),
    Number = 1 + length([C || C <- Before, C =:= $\n]),
    [io_lib:format("@@ line ~b @@~n", [Number]) | mark(Old, New)].

mark("", New) -> [["+", Line, "\n"] || Line <- New];
mark(Old, New) ->
    case lists:member(Old, New) of
        true -> [[sign(Line =:= Old), Line, "\n"] || Line <- New];
        false -> [["-", Old, "\n"] | [["+", Line, "\n"] || Line <- New]]
    end.

sign(true) -> " ";
sign(false) -> "+".
