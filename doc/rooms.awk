# rooms.awk - do the includes keep to doc/rooms?   awk -f doc/rooms.awk doc/rooms FILES...
function glob(s) { gsub(/\./, "\\.", s); gsub(/\*/, "[^/]*", s); return "^" s "$" }
FILENAME ~ /rooms$/ {
    if ($1 == "door:") for (i = 2; i <= NF; i++) door[glob($i)]
    else if ($1 == "only:") for (i = 3; i <= NF; i++) only[glob($2)] = only[glob($2)] "|" glob($i)
    else if ($1 ~ /^[a-z]+:$/) { r = $1; sub(/:/, "", r); for (i = 2; i <= NF; i++) may[r, $i] }
    next
}
/^#include [<"]/ {
    split($2, q, /["<>]/); h = q[2]
    for (o in only) if (h ~ o && FILENAME !~ substr(only[o], 2)) {
        printf "%s:%d: <%s> does not belong in this file\n", FILENAME, FNR, h; bad = 1
    }
}
/^#include "[^\/"]+\// {
    split(h, to, "/"); split(FILENAME, from, "/")
    if (to[1] == from[1] || from[1] == "tests") next       # tests may open any door
    ok = 0; for (d in door) if (h ~ d) ok = 1
    if (!ok || !((from[1], to[1]) in may)) {
        printf "%s:%d: %s may not include %s\n", FILENAME, FNR, from[1], h; bad = 1
    }
}
END { exit bad }
