# docker build --build-arg VERSION=v0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t tributary .

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# With .git: the compiler writes the revision into the program. So .dockerignore
# leaves out nothing that is committed, which would read as a modified tree.
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tributary ./cmd/tributary

# No shell, no package manager: CA certificates, time zones, and a user without rights.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="tributary" \
      org.opencontainers.image.description="Polls REST APIs and publishes what changed to Kafka, exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/tributary /usr/local/bin/tributary
COPY LICENSE /usr/share/doc/tributary/LICENSE
USER nonroot:nonroot
EXPOSE 8080
# Ready means that every lane is acquired; the first read of a large state takes time.
HEALTHCHECK --interval=15s --timeout=5s --start-period=2m --retries=3 \
    CMD ["/usr/local/bin/tributary", "healthcheck", "-c", "/etc/tributary/tributary.yaml"]
ENTRYPOINT ["/usr/local/bin/tributary"]
CMD ["run", "-c", "/etc/tributary/tributary.yaml"]
