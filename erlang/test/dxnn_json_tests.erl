-module(dxnn_json_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

object_test() ->
    Object = dxnn_json:object([
        {"none", null}, {"yes", true}, {"n", -3}, {"x", 0.5},
        {"list", [1, <<"two">>]}, {"within", {object, [{"a", []}]}}
    ]),
    ?assertEqual(
        "{\"none\": null, \"yes\": true, \"n\": -3, \"x\": 0.5, "
        "\"list\": [1, \"two\"], \"within\": {\"a\": []}}",
        lists:flatten(Object)
    ).

text_is_escaped_test() ->
    Text = unicode:characters_to_binary([$", $\\, $\n, $ä, 16#1f600]),
    ?assertEqual(
        "{\"t\": \"\\\"\\\\\\u000a\\u00e4\\ud83d\\ude00\"}",
        lists:flatten(dxnn_json:object([{"t", Text}]))
    ).
