// Images of sessions that were changed, with checksums made anew, so that what is behind these is reached.
#ifndef NIBBLE_IMAGE_SEAL_H
#define NIBBLE_IMAGE_SEAL_H

#include <string.h>

#include "checksum.h"

// Where things stand in an image; session_image.c draws it.
enum {
  AT_LAYERS = 16,
  AT_TOKENS = 24,
  AT_FINGERPRINT = 40,
  AT_BYTES = 48,
  AT_CHECKSUM = 56,
  HEADER = 64,
  LAYER = 16,
  PAGE_TOKENS = 64,
  CHECKSUM = 8
};

static inline uint32_t image_u32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static inline void image_put_u64(uint8_t *bytes, uint64_t value) { memcpy(bytes, &value, sizeof value); }

// Seals the pages of a layer as far as they are there; returns where the next layer's begin.
static inline size_t image_seal_layer(uint8_t *image, size_t size, size_t at, uint32_t layer, const uint8_t *header) {
  const uint32_t first = image_u32(header) / PAGE_TOKENS, units = image_u32(header + 4), data = image_u32(header + 8);
  for (uint32_t i = 0; i < units && at < size && size - at >= (size_t)data + CHECKSUM; i++) {
    Checksum checksum;
    checksum_begin(&checksum);
    checksum_update(&checksum, image + AT_CHECKSUM, CHECKSUM);
    const uint32_t numbers[] = {layer, first + i};
    checksum_update(&checksum, (const uint8_t *)numbers, sizeof numbers);
    checksum_update(&checksum, image + at, data);
    image_put_u64(image + at + data, checksum_end(&checksum));
    at += (size_t)data + CHECKSUM;
  }
  return at;
}

// Where the pages of the first layer begin; 0 where the image has none.
static inline size_t image_pages(const uint8_t *image, size_t size, int layers) {
  if (size < HEADER) return 0;
  const size_t tokens = image_u32(image + AT_TOKENS);
  const size_t pages = HEADER + (tokens + 1) / 2 * 8 + (size_t)layers * LAYER;
  return tokens > size || pages > size ? 0 : pages;
}

static inline void image_seal(uint8_t *image, size_t size, int layers) {
  const size_t pages = image_pages(image, size, layers);
  if (pages == 0) return;
  Checksum checksum;
  checksum_begin(&checksum);
  checksum_update(&checksum, image, AT_CHECKSUM);
  checksum_update(&checksum, image + HEADER, pages - HEADER);
  image_put_u64(image + AT_CHECKSUM, checksum_end(&checksum));
  size_t at = pages;
  for (int layer = 0; layer < layers; layer++)
    at = image_seal_layer(image, size, at, (uint32_t)layer, image + pages - (size_t)(layers - layer) * LAYER);
}

#endif
