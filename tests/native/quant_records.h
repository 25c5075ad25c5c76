// Made by quant_records.py with ggml of llama.cpp v0.5.0: checksums of what it unpacks from random blocks; of I2_S,
// which it does not have, of what the script does.
enum { QUANT_RECORD_BLOCKS = 64 };
static const struct {
  uint32_t type;
  uint64_t checksum;
} quant_records[] = {
    {2, 0xe4b9e6c5176fd325},   // q4_0
    {3, 0xd3b10ff30a373579},   // q4_1
    {6, 0x20a0825953456f25},   // q5_0
    {7, 0x5718a25a5a9e3fa6},   // q5_1
    {8, 0xdd94b2784a2c82a5},   // q8_0
    {10, 0xf49561145466ed11},  // q2_K
    {11, 0xd34cbeeb35570025},  // q3_K
    {12, 0xf22001b53ed46f69},  // q4_K
    {13, 0x9f766b1aaed73e3f},  // q5_K
    {14, 0x490f2709d91bd469},  // q6_K
    {16, 0x3bcd7445d087e245},  // iq2_xxs
    {17, 0xd05fd1d2cb825261},  // iq2_xs
    {18, 0xb15eb2214ccaece5},  // iq3_xxs
    {19, 0x023164fff21aa745},  // iq1_s
    {20, 0x8774cfecba90ec25},  // iq4_nl
    {21, 0x5cfff07139a022d5},  // iq3_s
    {22, 0xd6988eb68ffc75d1},  // iq2_s
    {23, 0x63c9e72aaeae7135},  // iq4_xs
    {29, 0xe78230bd64d955e5},  // iq1_m
    {34, 0x662674e6a26e2325},  // tq1_0
    {35, 0xd92606c9e72a0325},  // tq2_0
    {36, 0xfd1c7adc17f8e255},  // i2_s
    {39, 0xa9a083c862eec325},  // mxfp4
    {40, 0x0aeb84e6953f6325},  // nvfp4
    {41, 0x691991de85eea325},  // q1_0
    {42, 0x9f7029e77a330325},  // q2_0
};
