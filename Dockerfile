# The images of Watershed, one target each:
#   docker build --target control-plane -t watershed/control-plane .
#   docker build --target envoy         -t watershed/envoy .
#   docker build --target wasm          -t watershed/wasm .     (for Istio and Envoy Gateway)
# `--build-arg COMMIT=$(git rev-parse --short=12 HEAD)` has the programs say what they were built from.
# Bases are pinned by version; pin them by digest where your registry keeps one. No image holds a secret.

FROM rust:1.95.0-slim-bookworm AS build
# The image's own tool chain, whatever rust-toolchain.toml says.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
# The profile of the binary; `dev` builds faster.
ARG PROFILE=release
ARG COMMIT=
ENV WATERSHED_COMMIT=$COMMIT
WORKDIR /src
RUN [ -d "$(rustc --print target-libdir --target wasm32-wasip1)" ] || rustup target add wasm32-wasip1
COPY Cargo.toml Cargo.lock ./
COPY proto proto
COPY engine engine
COPY xds xds
COPY stats stats
COPY report report
COPY evidence evidence
COPY filter filter
COPY control-plane control-plane
COPY harness harness
COPY envoy/bootstrap.yaml envoy/bootstrap.yaml
# The workspace names the tests, but no image has them: a change of theirs builds nothing anew.
COPY tests/Cargo.toml tests/Cargo.toml
RUN mkdir tests/src && touch tests/src/lib.rs
# As `make dist` builds it: the same source gives the same bytes.
COPY setup/dist.sh setup/dist.sh
RUN setup/dist.sh filter /out && rm -r /out/build
RUN cargo build --locked -p watershed-control-plane --bin watershed --profile "$PROFILE" \
 && install -D -m 755 "target/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")/watershed" /out/watershed

# What Istio's WasmPlugin and Envoy Gateway pull: one layer, one file of this name.
FROM scratch AS wasm
COPY --from=build /out/plugin.wasm plugin.wasm

# Envoy's own image and the filter, where the control plane says that it lies.
FROM envoyproxy/envoy:v1.40.0 AS envoy
COPY --from=build /out/plugin.wasm /etc/envoy/watershed.wasm
COPY envoy/compose/envoy.yaml /etc/envoy/envoy.yaml
COPY envoy/compose/healthy /usr/local/bin/healthy
# The image's user `envoy`.
USER 101:101
ENTRYPOINT ["envoy"]
CMD ["--config-path", "/etc/envoy/envoy.yaml"]
HEALTHCHECK --interval=2s --timeout=2s --retries=30 CMD ["healthy", "9902", "/ready"]

FROM debian:bookworm-20250520-slim AS control-plane
COPY --from=build /out/watershed /usr/local/bin/watershed
COPY envoy/compose/healthy /usr/local/bin/healthy
# Volumes put there are made with this owner: the state, and secrets that come as files.
RUN install -d -o 65532 -g 65532 -m 700 /var/lib/watershed \
 && install -d -o 65532 -g 65532 -m 755 /run/watershed
USER 65532:65532
WORKDIR /var/lib/watershed
EXPOSE 18080 18000
ENTRYPOINT ["watershed"]
CMD ["serve", "--api-address", "0.0.0.0:18080", "--xds-address", "0.0.0.0:18000"]
HEALTHCHECK --interval=2s --timeout=2s --retries=30 CMD ["healthy", "18080", "/readyz"]
