/* Peaks by m/z: a stable radix sort from the most significant digit, whose buckets soon fit into the cache. */
#include "kernels.h"

#include <string.h>

#define DIGIT 9
#define BUCKETS (1 << DIGIT)
#define FEW 24 /* records that are sorted by insertion */

static const uint64_t SIGN = (uint64_t)1 << 63;

/* Map a number to an integer of the same order; NaN without a sign comes last. */
static uint64_t key_of(double mz) {
    uint64_t bits;
    memcpy(&bits, &mz, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

static double mz_of(uint64_t key) {
    const uint64_t bits = key & SIGN ? key ^ SIGN : ~key;
    double mz;
    memcpy(&mz, &bits, sizeof mz);
    return mz;
}

static void sort_few(int64_t count, record *records) {
    for (int64_t i = 1; i < count; i++) {
        const record moved = records[i];
        int64_t at = i;
        for (; at > 0 && records[at - 1].key > moved.key; at--)
            records[at] = records[at - 1];
        records[at] = moved;
    }
}

/* Tell whether the records are in order; else find the range of their keys. */
static int in_order(int64_t count, const record *records, uint64_t *lowest, uint64_t *highest) {
    uint64_t low = records[0].key, high = low, before = low;
    int ordered = 1;
    for (int64_t i = 1; i < count; i++) {
        const uint64_t key = records[i].key;
        ordered &= before <= key;
        low = key < low ? key : low;
        high = key > high ? key : high;
        before = key;
    }
    *lowest = low;
    *highest = high;
    return ordered;
}

/* Sort records by their keys; each level of the recursion looks at the next digit of what is left of their range, and
 * moves them to the other place. They are to end where they are if they are at `home`, else in the other place. */
static void sort_records(int64_t count, record *records, record *other, int home) {
    uint64_t low, high;
    int sorted = count <= FEW;
    if (sorted)
        sort_few(count, records);
    else
        sorted = in_order(count, records, &low, &high);
    if (sorted) {
        if (!home)
            memcpy(other, records, (size_t)count * sizeof *records);
        return;
    }
    int shift = 0;
    while ((high - low) >> shift >= BUCKETS)
        shift++;
    int64_t starts[BUCKETS + 1] = {0}, next[BUCKETS];
    for (int64_t i = 0; i < count; i++)
        starts[((records[i].key - low) >> shift) + 1]++;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        next[bucket] = starts[bucket];
        starts[bucket + 1] += starts[bucket];
    }
    for (int64_t i = 0; i < count; i++)
        other[next[(records[i].key - low) >> shift]++] = records[i];
    if (shift == 0 && home)
        memcpy(records, other, (size_t)count * sizeof *records);
    for (int bucket = 0; shift && bucket < BUCKETS; bucket++) {
        const int64_t start = starts[bucket];
        sort_records(starts[bucket + 1] - start, other + start, records + start, !home);
    }
}

/* Order peaks by m/z, ties as they come. `records` and `spare` hold as many records as there are peaks. */
void sort_peaks(int64_t peaks, const double *mz, const float *intensity, const uint32_t *pixel, record *records,
                record *spare, double *mz_out, float *intensity_out, uint32_t *pixel_out) {
    for (int64_t i = 0; i < peaks; i++) {
        records[i].key = key_of(mz[i]);
        memcpy(&records[i].intensity, &intensity[i], sizeof *intensity);
        records[i].pixel = pixel[i];
    }
    sort_records(peaks, records, spare, 1);
    for (int64_t i = 0; i < peaks; i++) {
        mz_out[i] = mz_of(records[i].key);
        memcpy(&intensity_out[i], &records[i].intensity, sizeof *intensity);
        pixel_out[i] = records[i].pixel;
    }
}
