#!/bin/bash
# The REST API for clients that send what they should not, and the parts that the CLI does not use.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
lib=$(cd "$(dirname "$0")/../lib" && pwd)

# call METHOD PATH [BODY [CURL-OPTION...]]: sets $code, $body and $headers.
call() {
	local data=()
	if [ $# -ge 3 ] && [ -n "$3" ]; then data=(-H 'Content-Type: application/json' --data-binary "$3"); fi
	code=$(curl -sS --max-time 30 --unix-socket "$SYSCT_DIR/unix.socket" -X "$1" -o "$TMPDIR/body" -D "$TMPDIR/headers" -w '%{http_code}' \
		"${data[@]}" "${@:4}" "http://sysct$2") || code="curl $?"
	body=$(tr -d '\0' <"$TMPDIR/body")
	headers=$(tr -d '\r' <"$TMPDIR/headers")
}

# field EXPRESSION: of the last answer, as a Python expression over j
field() {
	python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); r = eval(sys.argv[2]); print(r if isinstance(r, (str, int)) else json.dumps(r))' "$TMPDIR/body" "$1" 2>&1
}

# error NAME STATUS REGEX: the last answer is an error of that status in LXD's shape.
error() {
	is "$code $(field 'j["type"], j["error_code"]')" "$2 [\"error\", $2]" "$1: $2"
	like "$(field 'j["error"]')" "$3" "$1: a sentence"
}

# finished: waits for the operation of the last answer; sets $result (Success) and $why.
finished() {
	call GET "$(field 'j["operation"]')/wait"
	result=$(field 'j["metadata"]["status"]')
	why=$(field 'j["metadata"]["err"]')
}

python() {
	PYTHONPATH=$lib timeout 60 python3 -B - "$@"
}

daemon_start
sysct launch busybox box
sysct init busybox off
before=$(sysct query /1.0/instances)

# --- what there is ---

call GET /
is "$code $(field 'j["metadata"]')" '200 ["/1.0"]' "/ lists the versions"
call GET /1.0
is "$code $(field 'j["metadata"]["api_version"]')" "200 1.0" "/1.0 answers"
is "$(field 'j["metadata"]["auth"]')" trusted "who is on the socket is trusted"
call HEAD /1.0 "" -I
is "$code" 200 "HEAD"
call GET /1.0/nothing
error "an unknown endpoint" 404 'not found|[Uu]nknown'
call GET /2.0
error "an unknown version" 404 '.'
call GET /1.0/instances/none
error "an unknown instance" 404 'none'
call GET /1.0/instances/none/state
error "its state" 404 'none'
call GET /1.0/profiles/none
error "an unknown profile" 404 'none|not found'
call GET /1.0/operations/00000000-0000-0000-0000-000000000000
error "an unknown operation" 404 '.'
call DELETE /1.0
error "a method that is not there" 405 '.'
call PATCH /1.0/instances '{}'
error "another one" 405 '.'
call BREW /1.0
is "$code" 405 "a method that nobody knows" || true

# --- bodies ---

call POST /1.0/instances '{'
error "broken JSON" 400 'JSON|json'
call POST /1.0/instances '[]'
error "a list for an object" 400 'object'
call POST /1.0/instances ''
error "no body" 400 '.'
call POST /1.0/instances '{"name":"x"}'
error "no source" 400 'source'
call POST /1.0/instances '{"name":"x","source":{"type":"image","alias":"busybox"},"colour":"red"}'
error "an unknown field" 400 'colour'
call POST /1.0/instances '{"name":7,"source":{"type":"image","alias":"busybox"}}'
error "a number for a name" 400 'name'
call POST /1.0/instances '{"name":"x","source":{"type":"migration"}}'
is "$code" "$([ "$code" = 501 ] && echo 501 || echo 400)" "a source that is not supported"
like "$(field 'j["error"]')" 'migration' "is named"
call POST /1.0/instances '{"name":"x","source":{"type":"image","alias":"busybox"},"profiles":["none"]}'
if [ "$code" = 202 ]; then finished; else result=Failure why=$(field 'j["error"]'); fi
is "$result" Failure "an unknown profile"
like "$why" 'none' "is named"
python3 -c 'print("{\"name\":\"x\",\"description\":\"" + "y" * 20000000 + "\"}")' >"$TMPDIR/huge"
call POST /1.0/instances '' --data-binary "@$TMPDIR/huge"
is "$code" 413 "20 MB of body"
call GET /1.0 "" -H "X-Long: $(printf 'y%.0s' {1..100000})"
like "$code" '^(431|400|413)$' "a header of 100 kB"
call GET "/1.0/$(printf 'y%.0s' {1..60000})"
like "$code" '^(414|431|400|404)$' "a path of 60 kB"
ok -n "the daemon lives" kill -0 "$daemon_pid"

# --- names ---

for name in 1box -box box- 'bo x' bo_x bo.x '../box' '' "$(printf 'x%.0s' {1..64})" 'böx' 'box/box'; do
	[ -n "$name" ] || continue # an empty name is made up
	call POST /1.0/instances "{\"name\":\"$name\",\"source\":{\"type\":\"image\",\"alias\":\"busybox\"}}"
	error "name \"$name\"" 400 'name'
done
call POST /1.0/instances "{\"name\":\"$(printf 'x%.0s' {1..63})\",\"source\":{\"type\":\"image\",\"alias\":\"busybox\"}}"
finished
is "$result" Success "63 characters are allowed"
sysct delete "$(printf 'x%.0s' {1..63})"
call POST /1.0/instances '{"name":"box","source":{"type":"image","alias":"busybox"}}'
error "a name that is taken" 409 'exists'
call GET '/1.0/instances/%2e%2e%2f%2e%2e%2fetc'
error "a path for a name" 404 '.'
call POST /1.0/instances/off '{"name":"a/b"}'
error "renaming to a path" 400 'name'
call POST /1.0/instances/box '{"name":"other"}'
if [ "$code" = 202 ]; then finished; is "$result" Failure "renaming what runs"; else is "$code" 400 "renaming what runs"; fi

# --- keys and values ---

for pair in '"limits.memory":"lots"' '"limits.cpu":"-1"' '"nonsense":"1"' '"limits.nonsense":"1"' '"boot.autostart":"perhaps"' '"volatile.uuid":"x"' '"limits.memory":["1"]'; do
	key=$(cut -d'"' -f2 <<<"$pair")
	call POST /1.0/instances "{\"name\":\"x\",\"source\":{\"type\":\"image\",\"alias\":\"busybox\"},\"config\":{$pair}}"
	if [ "$code" = 202 ]; then finished; is "$result" Failure "launch with $pair fails"; else like "$code" '^4' "launch with $pair is refused"; why=$(field 'j["error"]'); fi
	like "$why" "$key" "naming the key"
	call PATCH /1.0/instances/box "{\"config\":{$pair}}"
	like "$code" '^(400|501)$' "setting $pair is refused"
	like "$(field 'j["error"]')" "$key" "naming the key"
done
call PATCH /1.0/instances/box '{"config":{"security.nesting":"true"}}'
like "$code $(field 'j["error"]')" '^(400|501) .*security.nesting' "a key that LXD has and we have not is refused"
call PATCH /1.0/instances/box '{"config":{"limits.memry":"1GiB"}}'
like "$(field 'j["error"]')" 'limits.memory' "a slip of the pen gets a hint"
call PATCH /1.0/instances/box '{"devices":{"eth0":{"type":"nonsense"}}}'
like "$code $(field 'j["error"]')" '^(400|501) .*(nonsense|eth0)' "an unknown device type"
call PUT /1.0/instances/box/state '{"action":"dance"}'
error "an unknown action" 400 'dance'
call PUT /1.0/instances/box/state '{"action":"stop","timeout":"soon"}'
error "a time-out that is no number" 400 'timeout'
call PUT /1.0/instances/box/state '{"action":"start"}'
error "start of what runs" 400 'already running'
call PUT /1.0/instances/off/state '{"action":"stop"}'
error "stop of what does not" 400 'already stopped'
call DELETE /1.0/instances/box
error "delete of what runs" 400 'running'
for request in '{}' '{"command":[]}' '{"command":"ls"}' '{"command":[1]}' '{"command":["true"],"colour":1}' '{"command":["true"],"interactive":"yes"}'; do
	call POST /1.0/instances/box/exec "$request"
	error "exec $request" 400 '.'
done
call POST /1.0/instances/off/exec '{"command":["true"]}'
error "exec in what does not run" 400 'not running'
is "$(sysct query /1.0/instances)" "$before" "none of this made or lost an instance"

# --- ETag, PUT, PATCH ---

call GET /1.0/instances/box
etag=$(awk 'tolower($1) == "etag:" { print $2 }' <<<"$headers")
ok -n "there is an ETag" test -n "$etag"
put=$(python3 -c 'import json, sys; j = json.load(open(sys.argv[1]))["metadata"]; j["config"]["user.a"] = "1"; print(json.dumps({k: j[k] for k in ("architecture", "config", "devices", "ephemeral", "profiles", "description")}))' "$TMPDIR/body")
call PUT /1.0/instances/box "$put" -H 'If-Match: "0000"'
error "PUT with another ETag" 412 '.'
is "$(sysct config get box user.a)" "" "changes nothing"
call PUT /1.0/instances/box "$put" -H "If-Match: $etag"
is "$code" 202 "PUT with the ETag is an operation"
finished
is "$result $(sysct config get box user.a)" "Success 1" "and does it"
call PUT /1.0/instances/box "$put" -H "If-Match: $etag"
error "the ETag has changed with it" 412 '.'
call PATCH /1.0/instances/box '{"config":{"user.b":"2"}}' -H 'If-Match: "0000"'
error "PATCH with another ETag" 412 '.'
call PATCH /1.0/instances/box '{"config":{"user.b":"2"},"description":"new"}'
is "$code" 200 "PATCH without one"
is "$(sysct config get box user.a) $(sysct config get box user.b)" "1 2" "adds to what is there"
call PATCH /1.0/instances/box '{"config":{"user.b":""}}'
is "$(sysct config show box | grep -c user.b || true)" 0 "an empty value takes a key away"
call GET /1.0/instances/box
is "$(field 'j["metadata"]["description"]')" new "the description was replaced"
put=$(python3 -c 'import json, sys; j = json.load(open(sys.argv[1]))["metadata"]; del j["config"]["user.a"]; print(json.dumps({k: j[k] for k in ("architecture", "config", "devices", "ephemeral", "profiles", "description")}))' "$TMPDIR/body")
call PUT /1.0/instances/box "$put"
finished
is "$(sysct config show box | grep -c user.a || true)" 0 "PUT takes away what it does not have"
is "$(instance_status box)" Running "it ran on all the while"

# --- recursion, filter ---

call GET /1.0/instances
is "$(field 'j["metadata"]')" '["/1.0/instances/box", "/1.0/instances/off"]' "recursion 0: addresses"
call GET '/1.0/instances?recursion=1'
is "$(field '[i["name"] for i in j["metadata"]], "state" in j["metadata"][0]')" '[["box", "off"], false]' "recursion 1: objects without state"
call GET '/1.0/instances?recursion=2'
is "$(field '[(i["name"], i["state"]["status"]) for i in j["metadata"]]')" '[["box", "Running"], ["off", "Stopped"]]' "recursion 2: with state"
is "$(field 'j["metadata"][0]["state"]["pid"]')" "$(instance_init_pid box)" "and the pid"
call GET '/1.0/instances?filter=status%20eq%20running'
is "$(field 'j["metadata"]')" '["/1.0/instances/box"]' "filter by status"
call GET '/1.0/instances?recursion=1&filter=name%20eq%20off'
is "$(field '[i["name"] for i in j["metadata"]]')" '["off"]' "filter by name"
call GET '/1.0/instances?filter='
is "$(field 'len(j["metadata"])')" 2 "an empty filter is none"
call GET '/1.0/instances?filter=name%20resembles%20x'
error "a filter that is none" 400 '.'
call GET '/1.0/instances?project=other'
like "$code" '^(400|404|501)$' "another project is refused"
call GET /1.0/containers
is "$(field 'j["metadata"]')" '["/1.0/containers/box", "/1.0/containers/off"]' "/1.0/containers is the same under its old name"

# --- operations ---

call PUT /1.0/instances/off/state '{"action":"start","timeout":-1}'
is "$code" 202 "start is an operation"
is "$(awk 'tolower($1) == "location:" { print $2 }' <<<"$headers")" "$(field 'j["operation"]')" "Location names it"
is "$(field 'j["type"], j["metadata"]["class"]')" '["async", "task"]' "it is in the answer"
is "$(field 'j["metadata"]["resources"]')" '{"instances": ["/1.0/instances/off"]}' "with what it is about"
operation=$(field 'j["operation"]')
call GET "$operation/wait?timeout=30"
is "$(field 'j["metadata"]["status"], j["metadata"]["status_code"]')" '["Success", 200]' "wait tells the end"
call GET "$operation"
is "$(field 'j["metadata"]["status"]')" Success "it can be read afterwards"
call DELETE "$operation"
like "$code" '^(400|404|409)$' "it cannot be cancelled any more"
call PUT /1.0/instances/off/state '{"action":"stop","timeout":600}'
operation=$(field 'j["operation"]')
call GET "$operation/wait?timeout=0"
is "$(field 'j["metadata"]["status"]')" Running "wait with a time-out comes back before the end"
call DELETE "$operation"
like "$code" '^(400|403|409)$' "an operation that cannot be cancelled says so"
sysct stop --force off 2>/dev/null || true
call GET "$operation/wait"
is "$(field 'j["metadata"]["status"]')" Success "it ends well"
call PUT /1.0/instances/off/state '{"action":"freeze"}'
if [ "$code" = 202 ]; then finished; is "$result" Failure "an operation that fails"; else like "$code" '^4' "freezing what does not run"; why=$(field 'j["error"]'); fi
like "$why" 'not running' "says why"

# --- events ---

python >"$TMPDIR/events" 2>&1 <<'END' || true
import json
from sysct_client import WebSocket, request, wait

everything = WebSocket("/1.0/events")
lifecycle = WebSocket("/1.0/events?type=lifecycle")
operation = request("PUT", "/1.0/instances/off/state", {"action": "start"})
identity = operation.json["metadata"]["id"]
seen = []
while not seen or seen[-1] != "Success":
    event = json.loads(everything.receive()[1])
    if event["type"] == "operation" and event["metadata"]["id"] == identity:
        seen.append(event["metadata"]["status"])
print("operation", seen[0] in ("Running", "Pending"), seen[-1])
event = json.loads(lifecycle.receive()[1])
print(event["type"], event["metadata"]["action"], event["metadata"]["source"], "timestamp" in event)
request("GET", "/1.0")
lifecycle.close()
wait(request("PUT", "/1.0/instances/off/state", {"action": "stop", "force": True}))
print("closed one", request("GET", "/1.0").status)
everything.send(9, b"keepalive")
everything.send(8, b"\x03\xe8")
while True:
    opcode, data = everything.receive()
    if opcode == 8:
        break
print("close answered", data[:2] == b"\x03\xe8")
END
is "$(cat "$TMPDIR/events")" "operation True Success
lifecycle instance-started /1.0/instances/off True
closed one 200
close answered True" "events: operations and lifecycle, each to who asked; closing one; a close is answered"
call GET /1.0/events
like "$code" '^(400|426)$' "events without an upgrade"
call GET '/1.0/operations/00000000-0000-0000-0000-000000000000/websocket?secret=x' "" -H 'Upgrade: websocket' -H 'Connection: Upgrade' -H 'Sec-WebSocket-Key: x' -H 'Sec-WebSocket-Version: 13'
like "$code" '^40[034]$' "a socket of no operation"
python >"$TMPDIR/secret" 2>&1 <<'END' || true
from sysct_client import WebSocket, request
operation = request("POST", "/1.0/instances/box/exec", {"command": ["true"], "wait-for-websocket": True})
for secret in ("", "0" * 64):
    try:
        WebSocket(operation.json["operation"] + "/websocket?secret=" + secret)
        print("let in")
    except OSError as problem:
        print(str(problem).rsplit(" ", 1)[1] in ("400", "403", "404"))
END
is "$(cat "$TMPDIR/secret")" $'True\nTrue' "an exec's socket needs its secret"

# --- clients that go away, and that send nonsense ---

python >"$TMPDIR/nonsense" 2>&1 <<'END' || true
import socket
from sysct_client import connect, request

def talk(data, end=True):
    connection = connect(10)
    connection.sendall(data)
    if end:
        connection.shutdown(socket.SHUT_WR)
    answer = b""
    try:
        while (part := connection.recv(65536)):
            answer += part
    except ConnectionError:
        pass
    connection.close()
    return answer.split(b"\r\n")[0]

cases = {
    "nothing": b"",
    "half a request line": b"GET /1.",
    "half a header": b"GET /1.0 HTTP/1.1\r\nHo",
    "half a body": b'POST /1.0/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"name"',
    "noise": bytes(range(256)) * 8,
    "zeros": b"\0" * 4096,
    "a negative length": b"POST /1.0/instances HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "a huge length": b"POST /1.0/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "a bad chunk": b"POST /1.0/instances HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "length and chunks": b"POST /1.0/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad escape": b"GET /1.0/instances/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a zero in the path": b"GET /1.0/instances/box%00x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}
for name, data in cases.items():
    first = talk(data)
    code = first.split(b" ")[1].decode() if first.startswith(b"HTTP/1.") else ""
    print("%s: %s" % (name, "refused" if code in ("", "400", "404", "411", "413", "431", "501") else code))
    assert request("GET", "/1.0").status == 200
END
for name in nothing 'half a request line' 'half a header' 'half a body' noise zeros 'a negative length' 'a huge length' 'a bad chunk' 'length and chunks' 'a bad escape' 'a zero in the path'; do
	is "$(grep "^$name:" "$TMPDIR/nonsense")" "$name: refused" "$name"
done
ok -n "the daemon lives" kill -0 "$daemon_pid"

python >"$TMPDIR/away" 2>&1 <<'END' || true
import json, time
from sysct_client import connect, request

# The launch goes on without the client that asked for it, as an operation does.
body = json.dumps({"name": "orphan", "source": {"type": "image", "alias": "busybox"}, "start": True}).encode()
connection = connect()
connection.sendall(b"POST /1.0/instances HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
connection.recv(1)
connection.close()
# Who waits and goes away leaves nothing behind.
operation = request("PUT", "/1.0/instances/box/state", {"action": "stop", "timeout": 3})
for _ in range(20):
    connection = connect()
    connection.sendall(b"GET %s/wait HTTP/1.1\r\nHost: x\r\n\r\n" % operation.json["operation"].encode())
    connection.close()
print(request("GET", operation.json["operation"] + "/wait").json["metadata"]["status"] in ("Success", "Failure"))
END
is "$(cat "$TMPDIR/away")" True "clients that do not wait for their answers"
ok -n "a launch goes on without its client" wait_until 10 instance_is orphan Running
sysct delete --force orphan
instance_is box Running || sysct start box

ends() { descriptors "$daemon_pid" 'socket:|pipe:|anon_inode:'; }
usual=$(ends)
python >"$TMPDIR/hundred" 2>&1 <<'END' || true
import threading
from sysct_client import connect, request

open_ones = [connect() for _ in range(100)]
print("open", len(open_ones), request("GET", "/1.0").status)
for connection in open_ones:
    connection.close()

results = []
def ask(i):
    results.append(request("GET", "/1.0/instances?recursion=2").status)
threads = [threading.Thread(target=ask, args=(i,)) for i in range(100)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("answered", results.count(200))
END
is "$(cat "$TMPDIR/hundred")" $'open 100 200\nanswered 100' "100 connections that say nothing, and 100 requests at once"
few() { [ "$(ends)" -le "$usual" ]; }
ok -n "none of them stays open" wait_until 10 few

# --- profiles and the server by the same rules ---

call POST /1.0/profiles '{"name":"p","config":{"limits.memory":"lots"}}'
error "a profile with a bad value" 400 'limits.memory'
call POST /1.0/profiles '{"name":"p","config":{"user.a":"1"}}'
is "$code" 201 "a profile is made"
call POST /1.0/profiles '{"name":"p"}'
error "twice" 409 'exists'
call PATCH /1.0/profiles/p '{"config":{"limits.memory":"lots"}}'
error "a bad value is refused later too" 400 'limits.memory'
call DELETE /1.0/profiles/default
like "$code" '^(400|403)$' "the default profile cannot be deleted"
call DELETE /1.0/profiles/p
is "$code" 200 "another one can"
call GET /1.0/resources
is "$code $(field 'j["metadata"]["cpu"]["total"]')" "200 $(nproc --all)" "resources of the host"

daemon_end
done_testing
