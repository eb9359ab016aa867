# The service. `docker build -t leasehold .`; configuration comes from the environment (README.md).
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY .swcrc tsconfig.json ./
COPY migrations migrations
COPY src src
COPY test test
RUN npm run --silent build && rm -r dist/test

# Debian, not Alpine: the programs of the embedded Postgres need glibc.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
# Without DATABASE_URL the embedded Postgres keeps its data here, without MASTER_KEY the master key is here too.
RUN mkdir -p /data/artifacts && chown -R node:node /data
VOLUME /data
USER node
EXPOSE 8080
# Alive, not healthy: a replica whose database is away recovers by itself and must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/__lbheartbeat__').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/src/service/main.js"]
