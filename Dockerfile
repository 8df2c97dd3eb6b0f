# One image for every process of Lethe; the command says which one it is.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# What is mounted there belongs to whoever it belonged to.
RUN install -d -o node -g node /var/lib/lethe/exports
USER node
CMD ["node", "dist/api/server.js"]
