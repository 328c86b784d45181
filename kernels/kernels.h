/* What the engine calls (ionfleet/kernels): loops over peaks, points and pixels that NumPy would make many passes of.
 *
 * No function allocates, keeps anything, or checks what it is given: scratch memory comes with each call, and the
 * callers in Python check sizes, types and ranges. Sums are taken in the order that is documented for each, and
 * compiled without contraction, so that a result has the same bits on every machine. */
#ifndef IONFLEET_KERNELS_H
#define IONFLEET_KERNELS_H

#include <stdint.h>

/* A peak while it is sorted: its m/z as an integer of the same order, its intensity's bits, its pixel. */
typedef struct {
    uint64_t key;
    uint32_t intensity;
    uint32_t pixel;
} record;

/* Peaks ordered by m/z, and the number of pixels that theirs are below. */
typedef struct {
    const double *mz;
    const float *intensity;
    const uint32_t *pixel;
    int64_t pixels;
} peak_list;

/* The windows of ions, isotopes side by side: points left <= i < right of each, int64[ions, isotopes]. */
typedef struct {
    int64_t ions;
    int64_t isotopes;
    const int64_t *left;
    const int64_t *right;
} window_list;

/* Images of one ion while they are summed, all zero between calls: isotopes side by side for each pixel, one bit for
 * each pixel that has a point, and one for each word of those. */
typedef struct {
    float *value;
    uint64_t *bits;
    uint64_t *words;
} scratch_images;

void sort_peaks(int64_t peaks, double *mz, float *intensity, uint32_t *pixel, record *records, record *spare);

void sum_images(const peak_list *peaks, const window_list *windows, const scratch_images *scratch, int64_t *pixels,
                double *total, float *maximum, double *observed, double *squares, double *with_first, uint8_t *meets);

void correlate_single(const peak_list *peaks, const window_list *windows, const scratch_images *scratch,
                      float *mean, float *variance, float *covariance);

void list_images(const peak_list *peaks, const window_list *windows, const scratch_images *scratch, int64_t *ends,
                 uint32_t *pixel, float *value);

void mz_statistics(const peak_list *peaks, const window_list *windows, const double *centre, double *mean,
                   double *deviation);

void exceeded_levels(int64_t images, const int64_t *ends, const float *value, int64_t levels, int8_t *level);

void count_parts(int64_t images, const int64_t *ends, const int32_t *y, const int32_t *x, const int8_t *level,
                 const int64_t *heights, const int64_t *widths, int8_t *closed, int8_t *left, int32_t *parent,
                 int32_t *places, int32_t *order, int64_t *parts);

#endif
