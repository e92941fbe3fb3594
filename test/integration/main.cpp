#define BOOST_TEST_MODULE repasse_integration
#include <boost/test/unit_test.hpp>
