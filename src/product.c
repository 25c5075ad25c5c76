#include "product.h"

// One token's products take as many tiles at once as some bytes hold, so that claims cost next to nothing.
enum { MOST_CHUNK_TILES = 64, CHUNK_BYTES = 320 << 10, LEAST_CHUNKS_A_THREAD = 4 };

bool product_packs(const Run *run, const Product *products, int count) {
  for (int i = 0; i < count; i++)
    if (run->kernels->packs && tile_is_quantized(products[i].matrix->kind)) return true;
  return false;
}

// Panels, and those tokens that are packed one by one.
static int panel_count(int tokens) {
  const int panels = packed_panels(tokens);
  return panels + packed_tokens(tokens) - panels * PANEL_TOKENS;
}

// The first token of a panel, and how many it has.
static int panel_first(int tokens, int panel) {
  const int panels = packed_panels(tokens);
  return panel < panels ? panel * PANEL_TOKENS : panels * PANEL_TOKENS + (panel - panels);
}

static int panel_tokens(int tokens, int panel) {
  const int left = tokens - panel * PANEL_TOKENS;
  return panel >= packed_panels(tokens) ? 1 : left < PANEL_TOKENS ? left : PANEL_TOKENS;
}

// One token's rows with this thread's tables of them, where a product looks them up.
static Activations with_tables(const Run *run, int thread, Activations x, const Product *products, int count) {
  bool looks_up = false;
  for (int i = 0; i < count; i++)
    looks_up |= products[i].matrix->kind == TILE_Q1_0;
  if (!looks_up || x.tokens > 1 || run->kernels->tabulate == NULL) return x;
  uint8_t *tables = run->own_tables + (size_t)thread * run->own_table_bytes;
  run->kernels->tabulate(x.packed, x.columns, tables);
  x.tables = tables;
  return x;
}

// Normalises rows `first` to `first + tokens` into `target` (where there is a norm), and packs them (where there is
// `packed`).
static void prepare_rows(const Run *run, const Input *input, const Norm *norm, int first, int tokens, float *target,
                         uint8_t *packed) {
  const size_t stride = (size_t)input->stride;
  float *rows = input->rows + (size_t)first * stride;
  const bool normed = norm_is_there(norm);
  for (int t = 0; normed && t < tokens; t++)
    norm_apply(run, norm, rows + (size_t)t * stride, input->columns, target + (size_t)t * stride);
  if (packed != NULL) run->kernels->pack(normed ? target : rows, stride, tokens, input->columns, packed);
}

Activations product_take(const Run *run, int thread, const Input *input, const uint8_t *packed, const Product *products,
                         int count) {
  const Activations x = {.values = input->rows,
                         .stride = (size_t)input->stride,
                         .packed = packed,
                         .tokens = input->count,
                         .columns = input->columns};
  return with_tables(run, thread, x, products, count);
}

void product_pack(const Run *run, const float *rows, int stride, int tokens, int first, int columns, int all,
                  uint8_t *packed) {
  for (int panel = 0; panel < panel_count(tokens); panel++) {
    const int token = panel_first(tokens, panel), many = panel_tokens(tokens, panel);
    run->kernels->pack(rows + (size_t)token * (size_t)stride, (size_t)stride, many, columns,
                       packed + (size_t)token * packed_bytes(all) + (size_t)packed_width(many) * packed_bytes(first));
  }
}

// Of several rows a piece of work is a panel. One row each thread prepares for itself: the others would wait for it as
// long.
Activations product_prepare(Run *run, int thread, const Input *input, const Norm *norm, const Product *products,
                            int count) {
  const bool packing = product_packs(run, products, count), own = input->count == 1;
  const size_t stride = (size_t)input->stride;
  float *normed = own ? run->own_row + (size_t)thread * (size_t)run->width_stride : run->normed;
  uint8_t *packed = own ? run->own_packed + (size_t)thread * run->own_packed_bytes : run->packed;
  const Activations x = {.values = norm_is_there(norm) ? normed : input->rows,
                         .stride = stride,
                         .packed = packing ? packed : NULL,
                         .tokens = input->count,
                         .columns = input->columns};
  if (own) {
    prepare_rows(run, input, norm, 0, 1, normed, packing ? packed : NULL);
    const Activations tabulated = with_tables(run, thread, x, products, count);
    run_book_step(run, thread, PROFILE_NORM_AND_PACK);
    return tabulated;
  }
  for (int panel; (panel = threads_claim(run->threads, thread, panel_count(input->count))) >= 0;) {
    const int first = panel_first(input->count, panel), tokens = panel_tokens(input->count, panel);
    prepare_rows(run, input, norm, first, tokens, normed + (size_t)first * stride,
                 packing ? packed + (size_t)first * packed_bytes(input->columns) : NULL);
  }
  run_finish_step(run, thread, PROFILE_NORM_AND_PACK);
  return x;
}

static int chunk_tiles(const Run *run, const Matrix *matrix, int tokens) {
  const size_t bytes = tile_bytes(matrix->kind, matrix->columns);
  int tiles = CHUNK_TILES;
  while (tokens == 1 && tiles < MOST_CHUNK_TILES && 2 * (size_t)tiles * bytes <= CHUNK_BYTES &&
         tile_count(matrix) >= 2 * tiles * LEAST_CHUNKS_A_THREAD * threads_active(run->threads))
    tiles *= 2;
  return tiles;
}

static int chunk_count(const Run *run, const Matrix *matrix, int tokens) {
  const int tiles = chunk_tiles(run, matrix, tokens);
  return units_of(tile_count(matrix), tiles);
}

// Adds the bias of rows `first` to `first + rows`.
static void add_bias(const Product *product, int tokens, int first, int rows) {
  for (int t = 0; t < tokens; t++) {
    float *y = product->y + (size_t)t * (size_t)product->stride + first;
    for (int r = 0; r < rows; r++)
      y[r] += product->bias[first + r];
  }
}

void product_tiles(const Run *run, const Product *product, const Activations *input, int first, int tiles) {
  const Matrix *matrix = product->matrix;
  const int left = tile_count(matrix) - first, row = first * TILE_ROWS, rows = matrix->rows - row;
  const int count = left < tiles ? left : tiles;
  MatmulKernel *const abreast = run->kernels->matmul_abreast[matrix->kind];
  const bool side_by_side = abreast != NULL && run->tiles_abreast > 1 && input->tokens == 1;
  MatmulKernel *const matmul = side_by_side ? abreast : run->kernels->matmul[matrix->kind];
  matmul(matrix->tiles + (size_t)first * tile_bytes(matrix->kind, matrix->columns), count, input, product->y + row,
         (size_t)product->stride, product->add);
  if (product->bias != NULL) add_bias(product, input->tokens, row, rows < count * TILE_ROWS ? rows : count * TILE_ROWS);
}

// A piece of work is a chunk of rows of one of them.
void product_multiply(Run *run, int thread, ProfileOperation operation, const Activations *input,
                      const Product *products, int count) {
  int chunks = 0;
  for (int i = 0; i < count; i++)
    chunks += chunk_count(run, products[i].matrix, input->tokens);
  for (int chunk; (chunk = threads_claim(run->threads, thread, chunks)) >= 0;) {
    const Product *product = products;
    while (chunk >= chunk_count(run, product->matrix, input->tokens))
      chunk -= chunk_count(run, product++->matrix, input->tokens);
    const int tiles = chunk_tiles(run, product->matrix, input->tokens);
    product_tiles(run, product, input, chunk * tiles, tiles);
  }
  run_finish_step(run, thread, operation);
}
