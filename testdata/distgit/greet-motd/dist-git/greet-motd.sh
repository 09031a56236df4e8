# shellcheck shell=sh
printf 'Hello, %s!\n' "${USER:-stranger}"
