#!/bin/sh
# Renders, applies or deletes an overlay. Says which cluster is meant and asks first; YES=1 answers for the absent.
#   cluster.sh render|apply|delete OVERLAY
set -eu
what=$1
overlay=$2
folder=$(dirname "$0")/overlays/$overlay

fail() {
    echo "$1" >&2
    exit 1
}

ask() {
    echo "$1"
    [ "${YES:-}" = 1 ] && return
    [ -t 0 ] || fail "Nobody is there to be asked: YES=1 means yes."
    printf 'Go on? [y/N] '
    read -r answer
    [ "$answer" = y ] || fail "Nothing was done."
}

command -v kubectl >/dev/null || fail "kubectl is needed, 1.27 or newer: https://kubernetes.io/docs/tasks/tools/"
[ -d "$folder" ] || fail "OVERLAY=$overlay: there is none of that name. There are: $(ls -m "$(dirname "$0")/overlays")."

if [ "$what" = render ]; then
    exec kubectl kustomize "$folder"
fi

context=$(kubectl config current-context 2>/dev/null) ||
    fail "kubectl is told of no cluster: kubectl config use-context NAME"
namespace=$(sed -n 's/^namespace: //p' "$folder/kustomization.yaml")

case $what in
apply)
    ask "The overlay $overlay is going to be applied to the cluster $context, namespace $namespace."
    kubectl -n "$namespace" get secret dispatcher >/dev/null || fail "First make what $folder/kustomization.yaml lists."
    kubectl -n "$namespace" delete job migrate --ignore-not-found
    # Services come after the indexes and queues that they need.
    kubectl apply -k "$folder" -l app.kubernetes.io/component!=service
    kubectl -n "$namespace" wait --for=condition=complete --timeout=15m job/migrate ||
        fail "The Job that makes indexes and queues did not succeed: kubectl -n $namespace logs job/migrate"
    kubectl apply -k "$folder"
    kubectl -n "$namespace" rollout status deployment --timeout=10m
    ;;
delete)
    ask "The namespace $namespace and ALL DATA in it are going to be deleted from the cluster $context."
    kubectl delete -k "$folder"
    ;;
*) fail "usage: cluster.sh render|apply|delete OVERLAY" ;;
esac
