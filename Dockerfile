# weft as an image. Two targets: `runtime` (the default, Debian below it) and `scratch` (nothing below it).
#
#   docker build -t weft .
#   docker build -t weft:scratch --target scratch .
#   docker run -p 127.0.0.1:8080:8080 -v weft:/data weft
#
# Both hold one static binary. Where the design has libssl3 and libgcc beside it: TLS is rustls, and musl is inside, so neither is
# there. Images for other processors are cross-compiled, not emulated: scripts/build/docker-multiarch.sh.
# Tags are pinned by digest by Dependabot in the hosted repository (.github/dependabot.yml): a digest written here unseen would be
# worth nothing.

ARG RUST=1.95
ARG CHEF=lukemathwalker/cargo-chef:latest-rust-${RUST}-bookworm
ARG BASE=debian:bookworm-slim

# 1. Rust, cargo-chef, and what links for the wanted processor.
FROM --platform=$BUILDPLATFORM ${CHEF} AS chef
WORKDIR /src
ARG TARGETARCH
COPY scripts/build/docker-tools.sh scripts/build/
RUN scripts/build/docker-tools.sh install "$TARGETARCH"

# 2. What the dependencies are, without the source: the next stage is built anew only when they change.
FROM chef AS planner
COPY Cargo.toml Cargo.lock build.rs ./
COPY build build
COPY src src
COPY benches benches
COPY tests tests
RUN cargo chef prepare --recipe-path recipe.json

# 3. The dependencies, then weft.
FROM chef AS builder
COPY --from=planner /src/recipe.json .
COPY scripts/build scripts/build
# The cook needs the same flags and environment as the build, or its crates are compiled again: both are the same script, and the date
# is one that ring's build looks at.
ARG SOURCE_DATE_EPOCH=0
RUN STATIC_COOK=recipe.json scripts/build/docker-tools.sh build "$TARGETARCH"
COPY . .
ARG WEFT_COMMIT=
RUN WEFT_COMMIT=$WEFT_COMMIT scripts/build/docker-tools.sh build "$TARGETARCH" && install -D -m 555 /out/weft /root-fs/usr/bin/weft \
    && mkdir -p /root-fs/data && chown 65532:65532 /root-fs/data && chmod 700 /root-fs/data

# 4a. Nothing but the binary, the certificates and a user.
# hadolint ignore=DL3063
FROM scratch AS scratch
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY scripts/build/passwd /etc/passwd
COPY --from=builder /root-fs /
USER 65532:65532
ENV PATH=/usr/bin
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/bin/weft", "health"]
ENTRYPOINT ["/usr/bin/weft"]
CMD ["hub", "serve", "--init", "--data", "/data", "--listen", "0.0.0.0:8080"]
LABEL org.opencontainers.image.title="weft" \
      org.opencontainers.image.description="Makes AI-agent skills and tools safe to get and safe to run" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

# 4b. The same over Debian: a shell to look around with.
FROM ${BASE} AS runtime
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN groupadd --gid 65532 weft && useradd --uid 65532 --gid 65532 --home-dir /data --no-create-home --shell /usr/sbin/nologin weft
COPY --from=builder /root-fs /
USER 65532:65532
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/bin/weft", "health"]
ENTRYPOINT ["/usr/bin/weft"]
CMD ["hub", "serve", "--init", "--data", "/data", "--listen", "0.0.0.0:8080"]
LABEL org.opencontainers.image.title="weft" \
      org.opencontainers.image.description="Makes AI-agent skills and tools safe to get and safe to run" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
