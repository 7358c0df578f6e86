# The product's image for those who build with Docker. What make image makes
# without Docker is the same, file for file: both are made by internal/image,
# which has the one list of what goes in, by version and SHA-256. Only the
# digests differ, because Docker writes its own layers and times.
#
# The project's own tests have no Docker and never built this file: they compare
# it with internal/image (internal/image/product, TestDockerfile). See docs/image.md.
#
#   docker build --build-arg VERSION=1.2.3 -t registry.example.com/circleci-dr:1.2.3 .

# Debian's packages are fetched with apt, so the stage that builds is a Debian.
FROM golang:1.26.8-trixie AS build
ARG VERSION=""
# Where the pinned packages are when Debian's archive has moved on.
ARG IMAGE_ARCHIVES=""
WORKDIR /src
COPY . .
RUN GOTOOLCHAIN=go1.26.8 go -C internal/image run ./build -version "$VERSION" -tree /image

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/bin:/usr/sbin LANG=C.UTF-8
USER 1001
WORKDIR /
ENTRYPOINT ["/usr/bin/circleci-dr"]
