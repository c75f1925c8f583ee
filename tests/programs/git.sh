#!/bin/sh
# SPDX-License-Identifier: MIT
# git: init, commits, log, gc, clone, in a repository made twice: the same
# commit names come out.
. "$(dirname "$0")/programs.sh"
have git || skip "no git"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
text >"$tmp/text"
cat >"$tmp/work.sh" <<'END'
set -e
mkdir "$1" && cd "$1"
git init -q -b main .
for i in 1 2 3 4 5 6 7 8; do
	head -n $((i * 10000)) ../text >big
	mkdir -p "d$i" && split -n 40 ../text "d$i/part"
	git add . && git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~3
echo side >side && git add side && git commit -q -m side
git checkout -q main && git merge -q -m merge side
git log --stat --format='%H %s'
git diff HEAD~4 | cksum
git gc -q --aggressive --prune=now
git fsck --full
git clone -q . ../"$1.clone" && git -C ../"$1.clone" rev-parse HEAD
git grep -c 'line 99' HEAD -- d1 | head
git blame -s big | cksum
END
cd "$tmp" || exit 99
sh work.sh plain >out.1 2>err.1 || skip "git fails without the preload: $(tail -n 2 err.1)"
LD_PRELOAD=$preload timeout -k 5 200 sh work.sh ours >out.2 2>err.2
st=$?
[ $st = 0 ] || row_bad git "exit $st: $(tail -n 5 err.2)"
if [ $st = 0 ]; then
	cmp -s out.1 out.2 && cmp -s err.1 err.2 && row_ok git ||
		row_bad git "differs: $(diff out.1 out.2 | head -n 5) $(diff err.1 err.2 | head -n 5)"
fi
served git -C ours log --oneline && row_ok "git, served" || row_bad "git, served" "not by our heap"
finish
